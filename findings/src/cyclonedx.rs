//! CycloneDX bills of materials, as syft writes them: what was found in a jar or a source tree.

use serde_json::Value;

use super::{BadReport, shortened};

/// More components than any project has; a bill with more is not read.
const MAX_COMPONENTS: usize = 100_000;

/// One package of a bill of materials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// `group:name`, or the name alone.
    pub name: String,
    /// Its version, where one could be read.
    pub version: Option<String>,
    /// Its package URL.
    pub purl: Option<String>,
    /// Where it is: the file, and within a jar the place in it, as `/app.jar:BOOT-INF/lib/a.jar`.
    pub location: Option<String>,
}

impl Component {
    /// The type of its package URL: `maven`, `npm`.
    pub fn kind(&self) -> Option<&str> {
        self.purl.as_deref()?.strip_prefix("pkg:")?.split('/').next()
    }
}

/// The packages of a bill of materials; what it lists as files is left out.
///
/// # Errors
/// [`BadReport`]: not JSON, not CycloneDX, too many components. A bill without components has none.
pub fn parse(text: &[u8]) -> Result<Vec<Component>, BadReport> {
    Ok(entries(text)?.iter().map(component).collect())
}

/// The same as the bill has them, for those who write another one of them.
///
/// # Errors
/// As [`parse`].
pub fn entries(text: &[u8]) -> Result<Vec<Value>, BadReport> {
    let bad = |reason: &str| BadReport { format: "CycloneDX", reason: reason.to_owned() };
    let mut bill: Value = serde_json::from_slice(text).map_err(|error| bad(&error.to_string()))?;
    if bill["bomFormat"] != "CycloneDX" {
        return Err(bad("it does not say that it is one"));
    }
    let mut components = match bill["components"].take() {
        Value::Null => return Ok(Vec::new()),
        Value::Array(components) if components.len() <= MAX_COMPONENTS => components,
        Value::Array(_) => return Err(bad("it has too many components")),
        _ => return Err(bad("its components are no list")),
    };
    components.retain(is_package);
    Ok(components)
}

/// A licence as a bill states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum License {
    /// By its id in SPDX's list.
    Id(String),
    /// By a name that the list does not have.
    Name(String),
    /// Several, as an expression of ids.
    Expression(String),
}

impl License {
    /// As it is stated.
    pub fn text(&self) -> &str {
        let (Self::Id(text) | Self::Name(text) | Self::Expression(text)) = self;
        text
    }
}

/// The licences of an entry; what is none is left out.
pub fn licenses(entry: &Value) -> Vec<License> {
    let plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte));
    let stated = |item: &Value| {
        let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(shortened);
        let id = item["license"]["id"].as_str().filter(|id| !id.is_empty()).filter(plain);
        id.map(|id| License::Id(id.to_owned()))
            .or_else(|| text(&item["license"]["id"]).or(text(&item["license"]["name"])).map(License::Name))
            .or_else(|| text(&item["expression"]).map(License::Expression))
    };
    entry["licenses"].as_array().into_iter().flatten().filter_map(stated).collect()
}

/// The digests of an entry, by algorithm (`SHA-256`) and in hexadecimal digits; what is none is left out.
pub fn hashes(entry: &Value) -> Vec<(&str, &str)> {
    const DIGITS: [(&str, usize); 5] = [("MD5", 32), ("SHA-1", 40), ("SHA-256", 64), ("SHA-384", 96), ("SHA-512", 128)];
    let known = |item: &'_ Value| -> Option<(&'static str, usize)> {
        DIGITS.into_iter().find(|(name, _)| item["alg"].as_str() == Some(name))
    };
    let hash = |item: &'_ Value| known(item).map(|(_, digits)| digits);
    let items = entry["hashes"].as_array().into_iter().flatten();
    items
        .filter_map(|item| {
            let content = item["content"].as_str()?;
            let whole = Some(content.len()) == hash(item) && content.bytes().all(|byte| byte.is_ascii_hexdigit());
            whole.then_some((item["alg"].as_str()?, content))
        })
        .collect()
}

/// Whether an entry is a package and not a file that packages were found in.
pub fn is_package(component: &Value) -> bool {
    component["type"] != "file" && component["name"].is_string()
}

/// Reads one entry.
pub fn component(entry: &Value) -> Component {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty());
    let name = text("name").unwrap_or_default();
    let properties = entry["properties"].as_array().map(Vec::as_slice).unwrap_or_default();
    let property = |name: &str| {
        let value = properties.iter().find(|property| property["name"] == name)?;
        value["value"].as_str().map(shortened)
    };
    Component {
        name: shortened(&text("group").map_or_else(|| name.to_owned(), |group| format!("{group}:{name}"))),
        version: text("version").filter(|version| *version != "UNKNOWN").map(shortened),
        purl: text("purl").map(shortened),
        location: property("syft:metadata:virtualPath").or_else(|| property("syft:location:0:path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_has_a_name_a_version_and_a_place() {
        let components = parse(include_bytes!("../tests/bom.json")).unwrap();
        let told: Vec<_> = components
            .iter()
            .map(|c| (c.name.as_str(), c.version.as_deref(), c.kind(), c.location.as_deref().unwrap_or_default()))
            .collect();
        let jar = "/greeter-1.0.0.jar:BOOT-INF/lib/LatencyUtils-2.0.3.jar";
        assert_eq!(
            told,
            [
                ("org.latencyutils:LatencyUtils", Some("2.0.3"), Some("maven"), jar),
                ("org.springframework.boot:spring-boot-starter-web", None, Some("maven"), "/pom.xml"),
            ]
        );
    }

    #[test]
    fn what_is_no_bill_is_an_error() {
        for bad in ["", "{}", "[]", r#"{"bomFormat": "CycloneDX", "components": 1}"#, r#"{"bomFormat": "Cyc"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(parse(br#"{"bomFormat": "CycloneDX", "components": [1, {"name": 1}, {}]}"#).unwrap(), []);
    }
}
