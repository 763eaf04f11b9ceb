//! Wishes as people write them, on the command line, in a CSV file or in a form: words in, a checked wish out.

use std::collections::BTreeSet;

use crate::config::fault::closest;
use crate::config::sources::Source;
use crate::model::audience::{DigestEvery, DigestSchedule, Follow, Only, Owner, QuietHours, Wish};
use crate::model::audience::{parse_time, parse_weekday};
use crate::model::clock::Timestamp;
use crate::model::platform::PlatformId;
use crate::model::text;
use crate::model::topic::Topic;
use crate::pipeline::schedule;
use crate::platforms::{Catalog, Category};

/// Most names in one list: nobody runs more platforms than there are.
const LIST_MAX: usize = 1_000;

/// A wish in words. What is left empty has its usual value.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Every advisory.
    pub everything: bool,
    /// Platform ids.
    pub platforms: Vec<String>,
    /// Categories of platforms.
    pub categories: Vec<String>,
    /// Names of vendors.
    pub vendors: Vec<String>,
    /// Stacks, whose owners have been looked up.
    pub stacks: Vec<Owner>,
    /// Topics; `none` for none. Empty: what concerns managed service providers.
    pub topics: Vec<String>,
    /// Publishers to hear alone.
    pub publishers: Vec<String>,
    /// Countries whose authorities to hear alone.
    pub regions: Vec<String>,
    /// The floor.
    pub floor: String,
    /// Nothing at once.
    pub no_instant: bool,
    /// A span such as `22:00-06:00`.
    pub quiet: String,
    /// Not even what is critical and exploited pierces the quiet.
    pub no_pierce: bool,
    /// How often the summary comes.
    pub digest: String,
    /// Its weekday.
    pub day: String,
    /// Its local time.
    pub at: String,
    /// The IANA zone.
    pub timezone: String,
    /// The summary comes even where there is nothing to say.
    pub all_clear: bool,
}

/// What names are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The platforms.
    pub catalog: &'a Catalog,
    /// The sources, whose publishers and countries there are.
    pub sources: &'a [Source],
}

impl Written {
    /// The wish that the words say.
    ///
    /// # Errors
    /// Says which word is not known, and which one may be meant.
    pub fn wish(&self, known: &Known<'_>) -> Result<Wish, String> {
        let mut follows = BTreeSet::new();
        follows.extend(self.stacks.iter().cloned().map(Follow::Stack));
        for word in listed(&self.categories)? {
            follows.insert(Follow::Category(category(word)?));
        }
        for name in listed(&self.vendors)? {
            follows.insert(Follow::Vendor(vendor(known.catalog, name)?));
        }
        let mut platforms = BTreeSet::new();
        for id in listed(&self.platforms)? {
            platforms.insert(platform(known.catalog, id)?);
        }
        let wish = Wish {
            everything: self.everything,
            platforms: platforms.into_iter().collect(),
            follows: follows.into_iter().collect(),
            followed: Vec::new(),
            topics: topics(&self.topics)?,
            only: self.only(known)?,
            floor: if self.floor.trim().is_empty() { Ok(Default::default()) } else { self.floor.parse() }?,
            instant: !self.no_instant,
            quiet: self.quiet()?,
            digest: self.schedule()?,
        };
        if wish.is_empty() {
            return Err("nothing is asked for: name a platform, a category, a vendor, a stack or a topic, or ask for \
                        everything"
                .to_owned());
        }
        Ok(wish)
    }

    fn quiet(&self) -> Result<Option<QuietHours>, String> {
        match self.quiet.trim() {
            "" | "none" => Ok(None),
            span => Ok(Some(QuietHours { pierce: !self.no_pierce, ..span.parse()? })),
        }
    }

    fn schedule(&self) -> Result<DigestSchedule, String> {
        let usual = DigestSchedule::default();
        let given = |word: &str| (!word.trim().is_empty()).then(|| word.trim().to_owned());
        let schedule = DigestSchedule {
            every: given(&self.digest).map_or(Ok(DigestEvery::Weekly), |word| word.parse())?,
            day: given(&self.day).map_or(Ok(usual.day), |word| parse_weekday(&word))?,
            at: given(&self.at).map_or(Ok(usual.at), |word| parse_time(&word))?,
            timezone: given(&self.timezone).unwrap_or(usual.timezone),
            all_clear: self.all_clear,
        };
        // Any instant tells whether the zone is known.
        schedule::next_digest(&schedule, Timestamp::from_seconds(0)).map_err(|error| error.to_string())?;
        Ok(schedule)
    }

    fn only(&self, known: &Known<'_>) -> Result<Only, String> {
        let (mut publishers, mut regions) = (BTreeSet::new(), BTreeSet::new());
        for name in listed(&self.publishers)? {
            let folded = text::fold(name);
            let all: BTreeSet<String> = known.sources.iter().map(|source| text::fold(&source.publisher)).collect();
            if !all.contains(&folded) {
                return Err(unknown("publisher", name, all.iter().map(String::as_str), "`rattlewatch sources list`"));
            }
            publishers.insert(folded);
        }
        for name in listed(&self.regions)? {
            let code = name.to_ascii_uppercase();
            let all: BTreeSet<&str> = known.sources.iter().map(|source| source.country.as_str()).collect();
            if !all.contains(code.as_str()) {
                let all = all.into_iter().collect::<Vec<_>>().join(", ");
                return Err(format!("no source is of the country '{}' ({all})", shown(name)));
            }
            regions.insert(code);
        }
        Ok(Only { publishers: publishers.into_iter().collect(), regions: regions.into_iter().collect() })
    }
}

/// Names that are not empty, not too many.
fn listed(names: &[String]) -> Result<Vec<&str>, String> {
    if names.len() > LIST_MAX {
        return Err(format!("more than {LIST_MAX} names in one list"));
    }
    Ok(names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect())
}

/// The id under which advisories are tagged with the platform `id`: another one where it is a second name.
///
/// # Errors
/// Says which platform may be meant.
pub fn platform(catalog: &Catalog, id: &str) -> Result<PlatformId, String> {
    let Some(platform) = catalog.get(id) else {
        let hint = catalog
            .closest(id)
            .map_or_else(|| "platforms.toml lists the ids".to_owned(), |near| format!("did you mean '{near}'?"));
        return Err(format!("no platform is called '{}'; {hint}", shown(id)));
    };
    Ok(platform.same_as.clone().unwrap_or_else(|| platform.id.clone()))
}

fn category(word: &str) -> Result<String, String> {
    let all = Category::ALL.map(Category::as_str);
    match all.into_iter().find(|known| known.eq_ignore_ascii_case(word)) {
        Some(known) => Ok(known.to_owned()),
        None => Err(format!("no category is called '{}' ({})", shown(word), all.join(", "))),
    }
}

fn vendor(catalog: &Catalog, name: &str) -> Result<String, String> {
    let folded = text::fold(name);
    match catalog.iter().find(|platform| text::fold(&platform.vendor) == folded) {
        Some(platform) => Ok(platform.vendor.clone()),
        None => Err(unknown("vendor", name, catalog.iter().map(|platform| platform.vendor.as_str()), "platforms.toml")),
    }
}

fn topics(words: &[String]) -> Result<Vec<Topic>, String> {
    let words = listed(words)?;
    if words.is_empty() {
        return Ok(vec![Topic::Msp]);
    }
    let chosen = words.into_iter().filter(|word| !word.eq_ignore_ascii_case("none")).map(str::parse);
    Ok(chosen.collect::<Result<BTreeSet<Topic>, String>>()?.into_iter().collect())
}

fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>, place: &str) -> String {
    match closest(name, all) {
        Some(near) => format!("no {what} is called '{}'; did you mean '{near}'?", shown(name)),
        None => format!("no {what} is called '{}'; {place} lists them", shown(name)),
    }
}

fn shown(name: &str) -> String {
    text::truncate(&text::one_line(name), 60)
}
