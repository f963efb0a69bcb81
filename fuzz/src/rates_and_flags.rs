//! What users write: accepted values read back as themselves, refused ones say what is accepted.

use std::{fmt::Display, str::FromStr};

use mirror_core::{
    destination::{LabelSelector, TargetSpec},
    policy::{
        FieldName, FieldPattern, HostSuffix, Method, MutableField, PathPattern, PathRewrite,
        SampleBy, SetField,
    },
    value::{BadValue, Host, Rate},
};

/// `data` is the text, where it is UTF-8.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(rate) = parse::<Rate>(text) {
        assert!(rate <= Rate::ALL);
        assert_eq!(rate.threshold() == 0, rate == Rate::ZERO);
        assert_eq!(rate.threshold() == Rate::ALL.threshold(), rate == Rate::ALL);
        shows_itself(&rate);
    }
    if let Some(by) = parse::<SampleBy>(text) {
        shows_itself(&by);
    }
    if let Some(method) = parse::<Method>(text) {
        shows_itself(&method);
    }
    if let Some(name) = parse::<FieldName>(text) {
        shows_itself(&name);
        assert!(!text.contains([' ', ':', '\r', '\n']));
    }
    if let Some(host) = parse::<Host>(text) {
        shows_itself(&host);
        assert!(!text.contains([' ', '\r', '\n', '/']));
    }
    if let Some(set) = parse::<SetField>(text) {
        assert!(!set.value().contains(['\r', '\n', '\0']));
    }
    if let Some(spec) = parse::<TargetSpec>(text) {
        shows_itself(&spec);
    }
    if let Some(selector) = parse::<LabelSelector>(text) {
        shows_itself(&selector);
    }
    parse::<MutableField>(text);
    parse::<HostSuffix>(text);
    if text.len() < 200 {
        // Compiling a pattern costs more than reading it.
        parse::<PathPattern>(text);
        parse::<FieldPattern>(text);
        parse::<PathRewrite>(text);
    }
}

fn parse<T: FromStr<Err = BadValue>>(text: &str) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(refused) => {
            assert!(refused.to_string().contains("accepted: "), "{refused}");
            None
        }
    }
}

fn shows_itself<T: FromStr<Err = BadValue> + Display + PartialEq>(value: &T) {
    let shown = value.to_string();
    assert!(
        shown.parse::<T>().is_ok_and(|again| again == *value),
        "{shown:?} does not read back"
    );
}
