//! `services`: programs that run beside a step, on a network of that step's own, for as long as it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    diagnostic::Code,
    fields::{self, mapping, text},
    keys,
    problems::{At, Place, Problems, quoted},
    vars::{self, Variables},
    yaml::{Node, Value},
};

/// The most services of one step: each has memory and processes of its own.
pub(crate) const SERVICES_MAX: usize = 8;

/// A program that runs beside a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// A name from the operator's image table, or a full image reference.
    pub image: String,
    /// The names by which the step knows it; never empty, and the first is that of its log.
    pub aliases: Vec<String>,
    /// The program in place of the image's own, in the sense of Dockerfiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The arguments in place of the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Its environment, besides the variables of the step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

/// A service as it is written.
#[derive(Clone)]
pub(crate) struct RawService {
    image: At<String>,
    aliases: Vec<At<String>>,
    entrypoint: Option<Vec<String>>,
    command: Option<Vec<String>>,
    variables: Variables,
}

/// Reads `services`; what does not fit is noted and left out.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Vec<RawService> {
    let items = fields::list(node, "`services`", problems).unwrap_or_default();
    if items.len() > SERVICES_MAX {
        let message = format!("a step has at most {SERVICES_MAX} services, here are {}", items.len());
        problems.error(Code::InvalidValue, node.at, message);
    }
    items.iter().filter_map(|item| one(item, problems)).collect()
}

fn one(node: &Node, problems: &mut Problems<'_>) -> Option<RawService> {
    let Value::Map(_) = &node.value else {
        let image = image(node, problems)?;
        let (aliases, variables) = (Vec::new(), Variables::new());
        return Some(RawService { image, aliases, entrypoint: None, command: None, variables });
    };
    mapping(node, &keys::SERVICE, problems);
    let name = fields::required(node, "name", keys::SERVICE.of, problems)?;
    let mut words = |key: &str| {
        let written = node.get(key)?;
        fields::texts_or_empty(written, &format!("`{key}`"), problems)
    };
    let (entrypoint, command) = (words("entrypoint"), words("command"));
    if let Some(policy) = node.get("pull_policy") {
        fields::check_pull_policy(policy, problems);
    }
    Some(RawService {
        image: image(name, problems)?,
        aliases: node.get("alias").map(|alias| aliases(alias, problems)).unwrap_or_default(),
        entrypoint,
        command,
        variables: node.get("variables").map(|node| vars::read(node, problems)).unwrap_or_default(),
    })
}

fn image(node: &Node, problems: &mut Problems<'_>) -> Option<At<String>> {
    let image = text(node, "a service", problems)?;
    if !is_image(&image.value) {
        not_an_image(&image.value, image.at, problems);
        return None;
    }
    Some(image)
}

fn is_image(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn not_an_image(text: &str, at: Place, problems: &mut Problems<'_>) {
    problems.error(Code::InvalidValue, at, format!("{} is no image reference", quoted(text)));
}

/// Several names, between commas or blanks.
fn aliases(node: &Node, problems: &mut Problems<'_>) -> Vec<At<String>> {
    let Some(written) = text(node, "`alias`", problems) else { return Vec::new() };
    let words = written.value.split([',', ' ']).filter(|word| !word.is_empty());
    let words: Vec<At<String>> = words.map(|word| At { value: word.to_owned(), at: written.at }).collect();
    for word in words.iter().filter(|word| !is_host_name(&word.value)) {
        let message = format!("{} is no name of a host", quoted(&word.value));
        problems.error(Code::InvalidValue, word.at, message).help(
            "a name has up to 63 letters, digits, `-`, `_` and `.`, begins with a letter or digit, and is not `localhost`",
        );
    }
    words
}

/// Whether a service may be known by this name.
pub(crate) fn is_host_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && !text.eq_ignore_ascii_case("localhost")
}

/// The names that a service has where none is written: GitLab's two, made of the image without its tag.
fn names_of(image: &str) -> Vec<String> {
    let image = image.split('@').next().unwrap_or(image);
    let (path, last) = image.rsplit_once('/').map_or(("", image), |(path, last)| (path, last));
    let last = last.split(':').next().unwrap_or(last);
    let name = if path.is_empty() { last.to_owned() } else { format!("{}/{last}", path.replace(':', "")) };
    let mut names = vec![name.replace('/', "__")];
    if name.contains('/') {
        names.push(name.replace('/', "-"));
    }
    names
}

/// The services of a step, once its variables are known. `values`: what `$NAME` stands for; `None`: nothing is put in.
pub(crate) fn settled(
    written: &[RawService],
    values: Option<&BTreeMap<String, String>>,
    problems: &mut Problems<'_>,
) -> Vec<Service> {
    let mut taken: BTreeMap<String, Place> = BTreeMap::new();
    let mut services = Vec::new();
    for raw in written {
        let at = raw.image.at;
        let image = values.map_or_else(
            || raw.image.value.clone(),
            |values| vars::expand(&raw.image, "the name of a service", values, problems),
        );
        if !is_image(&image) {
            not_an_image(&image, at, problems);
            continue;
        }
        let own = raw.aliases.iter().map(|alias| (alias.value.clone(), alias.at)).collect::<Vec<_>>();
        let names = if own.is_empty() { names_of(&image).into_iter().map(|name| (name, at)).collect() } else { own };
        for (name, at) in &names {
            if let Some(first) = taken.insert(name.to_ascii_lowercase(), *at) {
                let message = format!("two services of this step have the name {}", quoted(name));
                problems
                    .error(Code::InvalidValue, *at, message)
                    .also(first, "the other is here")
                    .help("give each an `alias` of its own");
            } else if !is_host_name(name) {
                let message = format!("{} is no name of a host", quoted(name));
                problems.error(Code::InvalidValue, *at, message).help("give the service an `alias`");
            }
        }
        services.push(Service {
            image,
            aliases: names.into_iter().map(|(name, _)| name).collect(),
            entrypoint: raw.entrypoint.clone(),
            command: raw.command.clone(),
            variables: variables(&raw.variables, values, problems),
        });
    }
    services
}

/// The variables of a service alone; what they refer to is looked for among them and then among the step's.
fn variables(
    own: &Variables,
    values: Option<&BTreeMap<String, String>>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, String> {
    let Some(values) = values else { return own.iter().map(|(name, own)| (name.clone(), own.value.clone())).collect() };
    let mut all = vars::plain(values);
    all.extend(own.clone());
    let mut all = vars::expanded(&all, problems);
    all.retain(|name, _| own.contains_key(name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_an_alias_has_gitlabs_two_names() {
        let names = |image| names_of(image).join(" ");
        assert_eq!(names("postgres:17"), "postgres");
        assert_eq!(names("tutum/wordpress:latest"), "tutum__wordpress tutum-wordpress");
        assert_eq!(names("registry.example:5000/a/b@sha256:00"), "registry.example5000__a__b registry.example5000-a-b");
        assert!(is_host_name("tutum__wordpress") && !is_host_name("-x") && !is_host_name("LocalHost"));
        assert!(!is_host_name("") && !is_host_name(&"x".repeat(64)) && !is_host_name("a b"));
    }
}
