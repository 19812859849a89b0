//! No report breaks its parser: arbitrary bytes, and whole reports with damage in them.

use pipelinex_findings::{
    code_coverage::{self, CoverageFormat},
    cyclonedx, gitlab, junit, maven, osv, sarif, wapiti,
};
use proptest::prelude::*;
use serde_json::Value;

const REPORTS: [&str; 4] = [
    include_str!("osv.json"),
    include_str!("wapiti.json"),
    include_str!("bom.json"),
    r#"<?xml version="1.0"?><project><parent><version>1</version></parent><properties><a>${b}</a></properties>
       <dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>1</version></dependency></dependencies></project>"#,
];

/// Gives the bytes to every parser; only a panic fails.
fn all_parsers(bytes: &[u8]) {
    let _ = (osv::parse(bytes), osv::packages(bytes), wapiti::parse(bytes), wapiti::pages(bytes));
    let _ = (gitlab::parse(bytes), gitlab::code_quality(bytes));
    let formats = [CoverageFormat::Cobertura, CoverageFormat::Jacoco];
    let _ = formats.map(|format| code_coverage::parse(format, bytes));
    let _ = (cyclonedx::parse(bytes), sarif::parse(bytes, "/app"), junit::parse(bytes), maven::dependencies(bytes));
}

/// Puts something else in the place of the value that comes up when they are counted through.
fn replaced(value: &mut Value, left: &mut usize, by: &Value) {
    if *left == 0 {
        *value = by.clone();
    }
    *left = left.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replaced(item, left, by)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replaced(field, left, by)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_a_parser(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        all_parsers(&bytes);
    }

    #[test]
    fn no_damage_breaks_a_parser(
        report in 0..REPORTS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = REPORTS[report].as_bytes().to_vec();
        for (at, byte) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        bytes.truncate(end.index(bytes.len()) + 1);
        all_parsers(&bytes);
    }

    #[test]
    fn no_value_of_another_kind_breaks_a_parser(
        report in 0..3usize,
        at in 0..200usize,
        by in prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(serde_json::json!([{}, [], 1])),
        ],
    ) {
        let mut value: Value = serde_json::from_str(REPORTS[report]).unwrap();
        replaced(&mut value, &mut at.clone(), &by);
        all_parsers(value.to_string().as_bytes());
    }
}
