//! SPDX 2.3 as JSON: the packages of the bill of materials, with the advisories that are known of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Sheet;
use crate::{
    cyclonedx::{self, License},
    diff::Standing,
};

/// What is said of something that nobody looked for.
const UNKNOWN: &str = "NOASSERTION";

pub(super) fn write(sheet: &Sheet<'_>) -> String {
    let advisories = advisories(sheet);
    let mut packages = vec![package("SPDXRef-Subject", sheet.project, Some(sheet.revision))];
    packages.extend(sheet.bill.iter().enumerate().map(|(at, entry)| of_entry(at + 1, entry, &advisories)));
    let is = |from: &str, how: &str, to: &str| json!({"spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to});
    let mut relationships = vec![is("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Subject")];
    relationships.extend((1..=sheet.bill.len()).map(|at| is("SPDXRef-Subject", "CONTAINS", &id(at))));
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": sheet.title,
        "documentNamespace": format!("urn:uuid:{}", sheet.id),
        "creationInfo": {"created": format!("{}Z", sheet.at), "creators": [format!("Tool: Pipelinex-{}", sheet.version)]},
        "packages": packages,
        "relationships": relationships,
    });
    format!("{document:#}\n")
}

fn id(at: usize) -> String {
    format!("SPDXRef-Package-{at}")
}

/// The advisories of each package that still hold: those that somebody called false positives do not.
fn advisories<'a>(sheet: &Sheet<'a>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in sheet.rows.iter().filter(|row| row.state != Standing::Fixed && !row.false_positive) {
        if let Some(package) = &row.finding.package {
            known.entry(package).or_default().push(&row.finding.rule);
        }
    }
    known
}

fn package(id: &str, name: &str, version: Option<&str>) -> Value {
    let mut package = json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
    });
    if let Some(version) = version {
        package["versionInfo"] = version.into();
    }
    package
}

fn of_entry(at: usize, entry: &Value, advisories: &BTreeMap<&str, Vec<&str>>) -> Value {
    let known = cyclonedx::component(entry);
    let mut package = package(&id(at), &known.name, known.version.as_deref());
    declare(&mut package, &cyclonedx::licenses(entry));
    let sums: Vec<Value> = cyclonedx::hashes(entry)
        .into_iter()
        .map(|(alg, content)| json!({"algorithm": alg.replace('-', ""), "checksumValue": content}))
        .collect();
    if !sums.is_empty() {
        package["checksums"] = sums.into();
    }
    let reference = |category: &str, kind: &str, locator: &str| json!({"referenceCategory": category, "referenceType": kind, "referenceLocator": locator});
    let purl = known.purl.as_deref().map(|purl| reference("PACKAGE-MANAGER", "purl", purl));
    let version = known.version.as_deref().unwrap_or_default();
    let rules = advisories.get(format!("{}@{version}", known.name).as_str()).into_iter().flatten();
    let rules = rules.filter_map(|rule| Some(reference("SECURITY", "advisory", &super::advisory(rule)?.1)));
    let references: Vec<Value> = purl.into_iter().chain(rules).collect();
    if !references.is_empty() {
        package["externalRefs"] = references.into();
    }
    if let Some(place) = known.location {
        package["sourceInfo"] = format!("found in {place}").into();
    }
    package
}

/// Licences that SPDX knows are an expression; of others there is a comment.
fn declare(package: &mut Value, stated: &[License]) {
    let known = |license: &License| match license {
        License::Id(id) => Some(id.clone()),
        License::Expression(text) if stated.len() > 1 => Some(format!("({text})")),
        License::Expression(text) => Some(text.clone()),
        License::Name(_) => None,
    };
    if stated.is_empty() {
        return;
    }
    match stated.iter().map(known).collect::<Option<Vec<_>>>() {
        Some(all) => package["licenseDeclared"] = all.join(" AND ").into(),
        None => {
            let words: Vec<&str> = stated.iter().map(License::text).collect();
            package["licenseComments"] = format!("It says: {}", words.join(", ")).into();
        }
    }
}
