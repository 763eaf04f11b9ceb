//! Addresses: whatever is accepted can be sent to, and stays what it is.

use proptest::prelude::*;
use rattlewatch::channels::email::render;
use rattlewatch::model::address::EmailAddress;

use super::{message, sender};

proptest! {
    #[test]
    fn an_accepted_address_is_clean_stable_and_can_be_written(typed in "\\PC{0,12}|[a-zA-Z0-9.+'-]{1,20}@[a-z0-9ü.-]{1,20}\\.(test|example)|.{0,10}@.{0,10}\\.test") {
        if let Ok(address) = EmailAddress::parse(&typed) {
            let text = address.as_str();
            prop_assert!(!text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\",;:()[]\\".contains(c)));
            prop_assert_eq!(text.matches('@').count(), 1);
            prop_assert!(address.domain().is_ascii());
            prop_assert_eq!(EmailAddress::parse(text).unwrap(), address.clone());
            prop_assert_eq!(EmailAddress::parse(&address.key()).map(|again| again.key()), Ok(address.key()));
            prop_assert!(render(&message("one", text), &sender()).is_ok(), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(typed in any::<String>()) {
        let _ = EmailAddress::parse(&typed);
    }
}
