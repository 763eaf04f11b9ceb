//! From templates to parts: MJML becomes HTML once, at start; each letter then only fills it in.
//! All values are escaped for HTML, an unknown name is an error, and a letter's bytes depend on its values alone.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};
use mrml::prelude::render::RenderOptions;
use serde::Serialize;

use super::ComposeError;
use super::text::wrap;

/// Largest HTML part, in bytes. Gmail hides what follows 102,400 bytes, the stop link with it.
pub const HTML_BUDGET: usize = 80_000;

/// Colors by name: on a light and on a dark screen.
const PALETTE: [(&str, &str, &str); 6] = [
    ("page", "#eef1f4", "#13161a"),
    ("card", "#fcfdfd", "#1d2126"),
    ("tint", "#f0f3f6", "#272c33"),
    ("ink", "#1a2027", "#e5e9ed"),
    ("muted", "#535e69", "#a7b1bb"),
    ("link", "#0a58a8", "#86bdf7"),
];
/// Rules between blocks, light and dark; nothing is written in it.
const LINE: (&str, &str) = ("#d5dbe1", "#3a424b");
/// The text on badges and bands, on either screen.
const ON_BADGE: &str = "#fdfdfd";
/// The grounds of badges and bands, on either screen.
const BADGES: [(&str, &str); 6] = [
    ("exploited", "#a3121f"),
    ("critical", "#a3121f"),
    ("high", "#9c3f00"),
    ("medium", "#6d5600"),
    ("low", "#4a5763"),
    ("unknown", "#4a5763"),
];
/// The ground of a band that is not urgent.
const CALM: &str = "#23415c";

/// Inline styles by name, so that templates stay readable.
const STYLES: [(&str, &str); 15] = [
    ("band", "margin:0;font-size:19px;line-height:26px;font-weight:700;color:$(on_badge)"),
    ("band_note", "margin:6px 0 0;font-size:14px;line-height:20px;color:$(on_badge)"),
    ("h1", "margin:0 0 10px;font-size:21px;line-height:28px;font-weight:700;color:$(ink)"),
    ("h2", "margin:22px 0 6px;font-size:16px;line-height:22px;font-weight:700;color:$(ink)"),
    ("h3", "margin:0;font-size:16px;line-height:22px;font-weight:700;color:$(ink)"),
    ("p", "margin:0 0 6px;color:$(ink)"),
    ("small", "margin:0 0 4px;font-size:14px;line-height:20px;color:$(muted)"),
    ("by", "font-size:14px;color:$(muted)"),
    ("a", "color:$(link);text-decoration:underline"),
    ("li", "margin:0 0 8px;color:$(ink)"),
    ("ol", "margin:0;padding:0 0 0 24px"),
    (
        "quote",
        "margin:6px 0 0;padding:10px 14px;background:$(tint);border-left:4px solid $(line);color:$(ink);font-size:15px;line-height:22px",
    ),
    ("box", "margin:22px 0 0;padding:14px 16px 8px;background:$(tint);color:$(ink);border-radius:4px"),
    (
        "badge",
        "display:inline-block;padding:1px 8px;border-radius:3px;font-size:13px;line-height:20px;font-weight:700;color:$(on_badge)",
    ),
    ("row", "padding:16px 0 14px;border-top:1px solid $(line)"),
];

/// The ground on which the word `word` (a severity or `exploited`) is written.
pub fn ground(word: &str) -> &'static str {
    BADGES.iter().find(|(name, _)| *name == word).map_or(CALM, |(_, color)| color)
}

/// The parsed templates of the letters.
pub fn environment() -> Result<Environment<'static>, ComposeError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| ComposeError::template("syntax", &error))?);
    environment.set_auto_escape_callback(
        |name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    environment.set_formatter(format);
    for (name, source) in [
        ("channel.html", html_of("channel.mjml", include_str!("../templates/channel.mjml"))?),
        ("channel.txt", include_str!("../templates/channel.txt").to_owned()),
        ("alert.html", html_of("alert.mjml", include_str!("../templates/alert.mjml"))?),
        ("digest.html", html_of("digest.mjml", include_str!("../templates/digest.mjml"))?),
        ("notice.html", html_of("notice.mjml", include_str!("../templates/notice.mjml"))?),
        ("question.html", html_of("question.mjml", include_str!("../templates/question.mjml"))?),
        ("signin.html", html_of("signin.mjml", include_str!("../templates/signin.mjml"))?),
        ("signin.txt", include_str!("../templates/signin.txt").to_owned()),
        ("question.txt", include_str!("../templates/question.txt").to_owned()),
        ("notice.txt", include_str!("../templates/notice.txt").to_owned()),
        ("alert.txt", include_str!("../templates/alert.txt").to_owned()),
        ("digest.txt", include_str!("../templates/digest.txt").to_owned()),
    ] {
        environment.add_template_owned(name, source).map_err(|error| ComposeError::template(name, &error))?;
    }
    Ok(environment)
}

/// A view in the form that templates read.
pub fn value<V: Serialize>(view: &V) -> Value {
    Value::from(Serde(view))
}

/// The HTML part of `template` filled with `view`.
pub fn html(environment: &Environment<'_>, template: &str, view: &Value) -> Result<String, ComposeError> {
    environment
        .get_template(template)
        .and_then(|known| known.render(view.clone()))
        .map_err(|error| ComposeError::template(template, &error))
}

/// The plain part of `template` filled with `view`, wrapped.
pub fn plain(environment: &Environment<'_>, template: &str, view: &Value) -> Result<String, ComposeError> {
    html(environment, template, view).map(|text| wrap(&text))
}

/// HTML that still holds the tags of minijinja. mrml must not see `<` inside them.
fn html_of(name: &'static str, mjml: &str) -> Result<String, ComposeError> {
    let parsed = mrml::parse(paint(mjml))
        .map_err(|error| ComposeError::Template { name: name.to_owned(), detail: error.to_string() })?;
    let options =
        RenderOptions { disable_comments: true, fonts: std::collections::HashMap::new(), ..RenderOptions::default() };
    parsed
        .element
        .render(&options)
        .map_err(|error| ComposeError::Template { name: name.to_owned(), detail: error.to_string() })
}

/// Puts styles and colors in place of `$(name)`; `$(name_dark)` is the color on a dark screen.
fn paint(mjml: &str) -> String {
    let mut text = mjml.to_owned();
    for (name, style) in STYLES {
        text = text.replace(&format!("$({name})"), style);
    }
    for (name, light, dark) in PALETTE {
        text = text.replace(&format!("$({name})"), light).replace(&format!("$({name}_dark)"), dark);
    }
    text.replace("$(line)", LINE.0).replace("$(line_dark)", LINE.1).replace("$(on_badge)", ON_BADGE)
}

/// `text` as it may stand in an attribute.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// As minijinja's own, but leaves `/` as it is, which it need not escape and which bloats links.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let text = match value.as_str() {
        Some(text) if !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html) => text,
        _ => return minijinja::escape_formatter(out, state, value),
    };
    let mut rest = text;
    while let Some(index) = rest.bytes().position(|byte| matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'')) {
        let entity = match rest.as_bytes()[index] {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            b'"' => "&quot;",
            _ => "&#39;",
        };
        out.write_str(&rest[..index]).and_then(|()| out.write_str(entity)).map_err(write_failed)?;
        rest = &rest[index + 1..];
    }
    out.write_str(rest).map_err(write_failed)
}

fn write_failed(error: std::fmt::Error) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::WriteFailure, "could not write").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of WCAG 2.2.
    fn luminance(color: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).expect("hexadecimal")) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_stands_out_from_its_ground_on_light_and_dark_screens() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
        let (grounds, texts) = PALETTE.split_at(3);
        for (ground, light, dark) in grounds {
            for (text, on_light, on_dark) in texts {
                assert!(contrast(light, on_light) >= 4.5, "{text} on {ground}, light");
                assert!(contrast(dark, on_dark) >= 4.5, "{text} on {ground}, dark");
            }
        }
        for (word, color) in BADGES.into_iter().chain([("calm", CALM)]) {
            assert!(contrast(color, ON_BADGE) >= 4.5, "badge {word}");
        }
    }

    #[test]
    fn templates_use_no_color_or_style_outside_the_table() {
        let hex = regex::Regex::new("[^&]#[0-9a-fA-F]{3,6}\\b").expect("constant");
        for template in [include_str!("../templates/alert.mjml"), include_str!("../templates/digest.mjml")] {
            assert!(!paint(template).contains("$("), "a name is left unpainted");
            assert_eq!(hex.find(template).map(|found| found.as_str()), None, "write a name of the palette");
        }
    }
}
