//! Wishes in forms: what a browser posts becomes words, and a wish becomes what a form shows.

use std::collections::{BTreeMap, BTreeSet};

use url::form_urlencoded;

use crate::jobs::Context;
use crate::jobs::audience::{Known, Written};
use crate::model::audience::{DigestEvery, Floor, Follow, WEEKDAYS, Wish, weekday_name};
use crate::model::topic::Topic;
use crate::platforms::Category;

/// The fields of a posted form; a field may come several times.
pub(super) struct Posted(BTreeMap<String, Vec<String>>);

impl Posted {
    /// Reads `application/x-www-form-urlencoded`.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            fields.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self(fields)
    }

    /// All values of a field.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// The first value of a field; empty where there is none.
    pub(super) fn one(&self, name: &str) -> String {
        self.0.get(name).and_then(|values| values.first()).cloned().unwrap_or_default()
    }

    fn is(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The wish that the form says, keeping those groups of `before` that are still ticked.
    pub(super) fn wish(&self, context: &Context, before: &Wish) -> Result<Wish, String> {
        let (from, to) = (self.one("quiet_from"), self.one("quiet_to"));
        let topics = self.all("topic");
        let mut written = Written {
            everything: self.is("everything"),
            platforms: self.all("platform"),
            topics: if topics.is_empty() { vec!["none".to_owned()] } else { topics },
            floor: self.one("floor"),
            no_instant: !self.is("instant"),
            quiet: if from.is_empty() && to.is_empty() { String::new() } else { format!("{from}-{to}") },
            no_pierce: !self.is("pierce"),
            digest: self.one("digest"),
            day: self.one("day"),
            at: self.one("at"),
            timezone: self.one("timezone"),
            all_clear: self.is("all_clear"),
            ..Written::default()
        };
        let kept = self.all("follow");
        for follow in before.follows.iter().filter(|follow| kept.contains(&follow.to_string())) {
            match follow {
                Follow::Stack(owner) => written.stacks.push(owner.clone()),
                Follow::Category(word) => written.categories.push(word.clone()),
                Follow::Vendor(name) => written.vendors.push(name.clone()),
            }
        }
        let wish = written.wish(&Known { catalog: &context.catalog, sources: &context.sources })?;
        // Whom alone to hear is set elsewhere; a form that does not show it must not lose it.
        Ok(Wish { only: before.only.clone(), ..wish })
    }
}

/// A box to tick or a word to choose.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) name: String,
    /// What typing is compared with.
    pub(super) find: String,
    pub(super) on: bool,
}

impl Choice {
    fn new(value: &str, name: &str, on: bool) -> Self {
        Self { value: value.to_owned(), name: name.to_owned(), find: name.to_lowercase(), on }
    }
}

/// Platforms of one category.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) open: bool,
    pub(super) chosen: usize,
    pub(super) platforms: Vec<Choice>,
}

/// What the form shows.
pub(super) struct Shown {
    pub(super) everything: bool,
    pub(super) groups: Vec<Group>,
    pub(super) follows: Vec<Choice>,
    pub(super) topics: Vec<Choice>,
    pub(super) floors: Vec<Choice>,
    pub(super) instant: bool,
    pub(super) quiet_from: String,
    pub(super) quiet_to: String,
    pub(super) pierce: bool,
    pub(super) digests: Vec<Choice>,
    pub(super) days: Vec<Choice>,
    pub(super) at: String,
    pub(super) timezone: String,
    /// Nobody has chosen the time zone yet: the browser may guess it.
    pub(super) guess: bool,
    pub(super) all_clear: bool,
}

/// A wish as the form shows it; `named` says what a stack is called.
pub(super) fn shown(context: &Context, wish: &Wish, named: &dyn Fn(&Follow) -> String) -> Shown {
    let time = |time: jiff::civil::Time| time.strftime("%H:%M").to_string();
    let floor = |floor: Floor| {
        let name = match floor {
            Floor::All => "everything that touches you",
            Floor::Medium => "medium and above, and what is not rated yet",
            Floor::High => "high and above, and what is not rated yet",
            Floor::Critical => "critical or exploited",
            Floor::Exploited => "exploited only",
        };
        Choice::new(floor.as_str(), name, wish.floor == floor)
    };
    let every = [DigestEvery::Weekly, DigestEvery::Daily, DigestEvery::None].map(|every| {
        let name = if every == DigestEvery::None { "never" } else { every.as_str() };
        Choice::new(every.as_str(), name, wish.digest.every == every)
    });
    Shown {
        everything: wish.everything,
        groups: groups(context, wish),
        follows: wish.follows.iter().map(|follow| Choice::new(&follow.to_string(), &named(follow), true)).collect(),
        topics: Topic::ALL
            .into_iter()
            .map(|topic| Choice::new(&topic.to_string(), topic.name(), wish.topics.contains(&topic)))
            .collect(),
        floors: Floor::ALL.into_iter().map(floor).collect(),
        instant: wish.instant,
        quiet_from: wish.quiet.map_or_else(String::new, |quiet| time(quiet.from)),
        quiet_to: wish.quiet.map_or_else(String::new, |quiet| time(quiet.to)),
        pierce: wish.quiet.is_none_or(|quiet| quiet.pierce),
        digests: every.into_iter().collect(),
        days: WEEKDAYS
            .into_iter()
            .map(|(day, name)| Choice::new(name, name, name == weekday_name(wish.digest.day) && day == wish.digest.day))
            .collect(),
        at: time(wish.digest.at),
        timezone: wish.digest.timezone.clone(),
        guess: false,
        all_clear: wish.digest.all_clear,
    }
}

/// The platforms by category, those of the wish ticked.
pub(super) fn groups(context: &Context, wish: &Wish) -> Vec<Group> {
    let chosen: BTreeSet<&str> = wish.platforms.iter().map(|id| id.0.as_str()).collect();
    let of = |category: Category| {
        let listed =
            context.catalog.iter().filter(|platform| platform.category == category && platform.same_as.is_none());
        let mut platforms: Vec<Choice> = listed
            .map(|platform| Choice {
                find: format!("{} {} {}", platform.name, platform.vendor, platform.former.join(" ")).to_lowercase(),
                ..Choice::new(&platform.id.0, &platform.name, chosen.contains(platform.id.0.as_str()))
            })
            .collect();
        platforms.sort_by_key(|choice| choice.name.to_lowercase());
        let chosen = platforms.iter().filter(|choice| choice.on).count();
        Group { name: category.name().to_owned(), open: chosen > 0, chosen, platforms }
    };
    Category::ALL.into_iter().map(of).filter(|group| !group.platforms.is_empty()).collect()
}
