//! Exports are what their formats ask for: each is held against the official schema, also where a project is called as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use jsonschema::{Registry, Validator};
use pipelinex_findings::{
    Finding, Severity,
    cyclonedx::entries,
    diff::Standing,
    export::{Format, Row, Sheet},
    mark,
};
use serde_json::{Value, json};

const HOSTILE: &str = "</x> \"'& #\u{202e} \u{fffd}\n=1+1 ${a} %00";

fn schema(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{}/tests/schemas/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    if name.starts_with("sarif") {
        // The pattern of languages in SARIF's schema is no regular expression: a bracket in it is never opened.
        for part in ["run", "toolComponent"] {
            schema["definitions"][part]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
        }
    }
    schema
}

fn validator(name: &str) -> Validator {
    let (licenses, jsf) = (schema("cyclonedx-licenses.json"), schema("cyclonedx-jsf-0.82.json"));
    let registry = Registry::new()
        .add("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", &licenses)
        .and_then(|registry| registry.add("http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json", &jsf))
        .and_then(|registry| registry.prepare())
        .unwrap();
    jsonschema::options().with_registry(&registry).should_validate_formats(true).build(&schema(name)).unwrap()
}

fn bill() -> Vec<Value> {
    let mut bill: Value = serde_json::from_str(include_str!("bom.json")).unwrap();
    let more = json!([
        // Twice the same reference, and licences and digests of all kinds.
        {"bom-ref": "a", "type": "library", "name": "b", "group": "@a", "version": "1.0", "purl": "pkg:npm/%40a/b@1.0",
         "licenses": [{"license": {"id": "MIT"}}, {"license": {"name": HOSTILE}}, {"expression": "MIT OR Apache-2.0"}, {"x": 1}],
         "hashes": [{"alg": "SHA-1", "content": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}, {"alg": "SHA-1", "content": "no"}, {"alg": "CRC", "content": "00"}]},
        {"bom-ref": "a", "type": "no kind", "name": HOSTILE, "version": HOSTILE, "licenses": [{"expression": "MIT OR Apache-2.0"}]},
        {"type": "library", "name": "bare", "licenses": "MIT", "hashes": 7},
    ]);
    bill["components"].as_array_mut().unwrap().extend(more.as_array().unwrap().clone());
    entries(bill.to_string().as_bytes()).unwrap()
}

fn finding(rule: &str, package: Option<&str>, path: Option<&str>) -> Finding {
    Finding {
        tool: "osv-scanner".to_owned(),
        rule: rule.to_owned(),
        severity: Severity::High,
        message: HOSTILE.to_owned(),
        path: path.map(str::to_owned),
        line: path.map(|_| 3),
        package: package.map(str::to_owned),
        fixed_in: None,
        url: None,
        fingerprint: String::new(),
        context: None,
    }
}

/// One finding of each standing and decision, some in nothing that the bill has.
fn written(format: Format, bill: &[Value]) -> Value {
    let mut found = vec![
        finding("CVE-2026-1", Some("org.latencyutils:LatencyUtils@2.0.3"), None),
        finding("GHSA-x-y", Some("@a:b@1.0"), None),
        finding("PYSEC-1", Some("elsewhere@3"), None),
        finding(HOSTILE, Some(HOSTILE), None),
        finding("CVE-2026-2", Some("gone@1"), None),
        finding(HOSTILE, None, Some("a b/ü.js")),
    ];
    mark(&mut found, |_, _| None);
    let rows = found.iter().enumerate().map(|(at, finding)| Row {
        stage: "SCA",
        state: if at == 4 { Standing::Fixed } else { Standing::New },
        finding,
        accepted: [None, Some("no danger"), Some(HOSTILE), None, None, None][at],
        false_positive: at == 2,
    });
    let sheet = Sheet {
        title: HOSTILE,
        beside: Some("#1".to_owned()),
        at: "2027-01-31T12:00:00",
        version: "1.0",
        id: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        project: HOSTILE,
        revision: "#2",
        bill,
        rows: rows.collect(),
    };
    serde_json::from_str(&format.write(&sheet)).unwrap()
}

fn assert_valid(name: &str, document: &Value) {
    let wrong: Vec<String> =
        validator(name).iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_bill_as_cyclonedx_is_valid_and_says_what_was_decided() {
    let document = written(Format::CycloneDx, &bill());
    assert_valid("cyclonedx-1.6.json", &document);
    let components = document["components"].as_array().unwrap();
    let reference = |name: &str| -> &Value { &components.iter().find(|c| c["name"] == name).unwrap()["bom-ref"] };
    // What the bill did not have is there all the same, and what is mended is not.
    assert_eq!(components.len(), bill().len() + 2, "{components:#?}");
    assert!(!components.iter().any(|component| component["name"] == "gone"));
    let b = components.iter().find(|c| c["name"] == "b").unwrap();
    assert_eq!((&b["licenses"][0]["license"]["id"], b["hashes"].as_array().unwrap().len()), (&json!("MIT"), 1));
    let told: Vec<(&Value, &Value)> = document["vulnerabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["analysis"]["state"], &v["affects"]))
        .collect();
    let affects = |name: &str| json!([{"ref": reference(name)}]);
    assert_eq!(told[0], (&json!("in_triage"), &affects("LatencyUtils")));
    assert_eq!(told[1], (&json!("exploitable"), &affects("b")));
    assert_eq!(told[2], (&json!("false_positive"), &affects("elsewhere")));
    assert_eq!(told[4], (&json!("resolved"), &json!([])));
    assert_eq!(told.len(), 5, "what is in no package is in no bill");
    let source = json!({"name": "NVD", "url": "https://nvd.nist.gov/vuln/detail/CVE-2026-1"});
    assert_eq!(document["vulnerabilities"][0]["source"], source);
}

#[test]
fn vex_alone_leads_into_the_bill_of_the_same_job() {
    let document = written(Format::Vex, &bill());
    assert_valid("cyclonedx-1.6.json", &document);
    assert_eq!(document["components"], Value::Null);
    let at = document["vulnerabilities"][1]["affects"][0]["ref"].as_str().unwrap();
    assert_eq!(at, "urn:cdx:0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/1#a");
    let whole = written(Format::CycloneDx, &bill());
    assert_eq!(whole["serialNumber"], "urn:uuid:0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b");
}

#[test]
fn a_bill_as_spdx_is_valid_and_names_advisories_that_hold() {
    let bill = bill();
    let document = written(Format::Spdx, &bill);
    assert_valid("spdx-2.3.json", &document);
    let packages = document["packages"].as_array().unwrap();
    assert_eq!(packages.len(), bill.len() + 1);
    let package = |name: &str| packages.iter().find(|package| package["name"] == name).unwrap();
    let references = package("org.latencyutils:LatencyUtils")["externalRefs"].to_string();
    assert!(references.contains("pkg:maven/org.latencyutils") && references.contains("CVE-2026-1"), "{references}");
    // A name that SPDX does not know is told and is no expression.
    assert_eq!(package("@a:b")["licenseDeclared"], "NOASSERTION");
    assert!(package("@a:b")["licenseComments"].as_str().unwrap().contains("MIT"));
    assert_eq!(package("@a:b")["checksums"][0]["algorithm"], "SHA1");
}

#[test]
fn sarif_is_valid() {
    assert_valid("sarif-2.1.0.json", &written(Format::Sarif, &[]));
}

#[test]
fn nothing_found_and_nothing_built_in_is_valid_too() {
    let sheet = Sheet {
        title: "shop #1",
        beside: None,
        at: "2027-01-31T12:00:00",
        version: "1.0",
        id: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        project: "shop",
        revision: "#1",
        bill: &[],
        rows: Vec::new(),
    };
    for (format, name) in [
        (Format::CycloneDx, "cyclonedx-1.6.json"),
        (Format::Vex, "cyclonedx-1.6.json"),
        (Format::Spdx, "spdx-2.3.json"),
        (Format::Sarif, "sarif-2.1.0.json"),
    ] {
        assert_valid(name, &serde_json::from_str(&format.write(&sheet)).unwrap());
    }
}
