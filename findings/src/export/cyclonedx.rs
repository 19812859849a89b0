//! CycloneDX 1.6: the bill of materials with what is known against it (one document), or the latter alone as VEX, which then
//! leads to the former. What people decided is the state of the analysis.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Row, Sheet};
use crate::{Finding, cyclonedx, diff::Standing};

/// Kinds of components that the format knows.
const TYPES: [&str; 9] =
    ["application", "container", "data", "device", "file", "firmware", "framework", "library", "operating-system"];

/// Bill and vulnerabilities.
pub(super) fn write(sheet: &Sheet<'_>) -> String {
    let mut bill = Bill::of(sheet);
    let vulnerabilities = vulnerabilities(sheet, &mut bill, "");
    let mut document = document(sheet);
    document["serialNumber"] = format!("urn:uuid:{}", sheet.id).into();
    document["components"] = bill.components.into();
    document["vulnerabilities"] = vulnerabilities.into();
    format!("{document:#}\n")
}

/// Vulnerabilities alone, each with an address in the bill of the same job.
pub(super) fn write_vex(sheet: &Sheet<'_>) -> String {
    let mut bill = Bill::of(sheet);
    let vulnerabilities = vulnerabilities(sheet, &mut bill, &format!("urn:cdx:{}/1#", sheet.id));
    let mut document = document(sheet);
    document["vulnerabilities"] = vulnerabilities.into();
    format!("{document:#}\n")
}

fn document(sheet: &Sheet<'_>) -> Value {
    let tool = json!({"type": "application", "name": "Pipelinex", "version": sheet.version});
    let subject =
        json!({"type": "application", "bom-ref": "subject", "name": sheet.project, "version": sheet.revision});
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": format!("{}Z", sheet.at), "tools": {"components": [tool]}, "component": subject},
    })
}

/// The components as they are written, and where each is by name and version.
struct Bill {
    components: Vec<Value>,
    by_name: BTreeMap<String, Vec<String>>,
    taken: BTreeSet<String>,
}

impl Bill {
    fn of(sheet: &Sheet<'_>) -> Self {
        let mut bill =
            Self { components: Vec::new(), by_name: BTreeMap::new(), taken: BTreeSet::from(["subject".to_owned()]) };
        sheet.bill.iter().for_each(|entry| bill.take(entry));
        bill
    }

    fn take(&mut self, entry: &Value) {
        let known = cyclonedx::component(entry);
        let wanted = text(entry, "bom-ref").or(text(entry, "purl")).unwrap_or("component");
        let reference = self.free(wanted);
        let kind = text(entry, "type").filter(|kind| TYPES.contains(kind)).unwrap_or("library");
        let mut component =
            json!({"type": kind, "bom-ref": reference, "name": text(entry, "name").unwrap_or("unnamed")});
        for key in ["group", "purl"] {
            if let Some(value) = text(entry, key) {
                component[key] = value.into();
            }
        }
        if let Some(version) = &known.version {
            component["version"] = version.as_str().into();
        }
        let licenses = licenses(entry);
        if !licenses.is_empty() {
            component["licenses"] = licenses.into();
        }
        let hashes: Vec<Value> = cyclonedx::hashes(entry)
            .into_iter()
            .map(|(alg, content)| json!({"alg": alg, "content": content}))
            .collect();
        if !hashes.is_empty() {
            component["hashes"] = hashes.into();
        }
        if let Some(place) = &known.location {
            component["properties"] = json!([{"name": "pipelinex:location", "value": place}]);
        }
        let version = known.version.as_deref().unwrap_or_default();
        self.by_name.entry(format!("{}@{version}", known.name)).or_default().push(reference);
        self.components.push(component);
    }

    /// The references of what a finding is in. What the bill does not have is added to it: a scanner knew it.
    fn affected(&mut self, package: &str) -> Vec<String> {
        if let Some(known) = self.by_name.get(package) {
            return known.clone();
        }
        let (name, version) = package.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((package, ""));
        let mut entry = json!({"type": "library", "name": name, "bom-ref": package});
        if !version.is_empty() {
            entry["version"] = version.into();
        }
        self.take(&entry);
        self.by_name.get(package).cloned().unwrap_or_default()
    }

    fn free(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}#{number}");
        }
        name
    }
}

fn text<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry[key].as_str().filter(|text| !text.is_empty())
}

/// Several licences, or a single expression: that is all that the format takes.
fn licenses(entry: &Value) -> Vec<Value> {
    let stated = cyclonedx::licenses(entry);
    if let [cyclonedx::License::Expression(expression)] = &stated[..] {
        return vec![json!({"expression": expression})];
    }
    let license = |license: &cyclonedx::License| match license {
        cyclonedx::License::Id(id) => json!({"license": {"id": id}}),
        cyclonedx::License::Name(name) | cyclonedx::License::Expression(name) => json!({"license": {"name": name}}),
    };
    stated.iter().map(license).collect()
}

fn vulnerabilities(sheet: &Sheet<'_>, bill: &mut Bill, before: &str) -> Vec<Value> {
    let of_packages = sheet.rows.iter().filter_map(|row| Some((row, row.finding.package.as_deref()?)));
    of_packages
        .map(|(row, package)| {
            // What is mended is no longer in the bill, and is not put there.
            let refs = match row.state {
                Standing::Fixed => bill.by_name.get(package).cloned().unwrap_or_default(),
                _ => bill.affected(package),
            };
            let affects: Vec<Value> =
                refs.iter().map(|at| json!({"ref": format!("{before}{}", encoded(at, before))})).collect();
            let name = bill.free(&format!("finding-{}", row.finding.fingerprint));
            vulnerability(row, name, affects)
        })
        .collect()
}

/// A reference as part of an address, where there is an address before it.
fn encoded(reference: &str, before: &str) -> String {
    if before.is_empty() {
        return reference.to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/:@!$&'()*+,;=?".contains(&byte);
    reference
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn vulnerability(row: &Row<'_>, name: String, affects: Vec<Value>) -> Value {
    let finding = row.finding;
    let mut told = json!({
        "bom-ref": name,
        "id": finding.rule,
        "source": source(finding),
        "ratings": [{"severity": finding.severity.as_str(), "method": "other"}],
        "description": finding.message,
        "affects": affects,
        "analysis": analysis(row),
        "properties": [{"name": "pipelinex:state", "value": row.state.as_str()}],
    });
    if let Some(remedy) = finding.remedy(row.stage).filter(|_| row.state != Standing::Fixed) {
        told["recommendation"] = remedy.into();
    }
    told
}

fn source(finding: &Finding) -> Value {
    match super::advisory(&finding.rule) {
        Some((name, url)) => json!({"name": name, "url": url}),
        None => json!({"name": finding.tool}),
    }
}

fn analysis(row: &Row<'_>) -> Value {
    match (row.state, row.accepted) {
        (Standing::Fixed, _) => json!({"state": "resolved"}),
        (_, Some(reason)) if row.false_positive => json!({"state": "false_positive", "detail": reason}),
        (_, Some(reason)) => json!({"state": "exploitable", "response": ["will_not_fix"], "detail": reason}),
        (_, None) => json!({"state": "in_triage"}),
    }
}
