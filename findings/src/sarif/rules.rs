//! Which rule a result is about (sections 3.27.5 to 3.27.7, 3.52, 3.54): by id, by index, by GUID, in the tool itself or in
//! one of its extensions.

use std::{collections::HashMap, iter, ptr};

use serde_json::Value;

use super::{index, list};

/// What a tool says of its rules.
pub(super) struct Rules<'a> {
    /// The tool itself, then its extensions in their order.
    components: Vec<Component<'a>>,
    invocations: &'a [Value],
}

struct Component<'a> {
    about: &'a Value,
    rules: &'a [Value],
    by_id: HashMap<&'a str, usize>,
}

/// The rule of a result. What nobody describes is null, and so has no properties.
pub(super) struct Rule<'a> {
    /// As the result names it, with what may stand behind the rule's own id (`CA1000/1`).
    pub id: String,
    /// Its description.
    pub about: &'a Value,
    /// The part of the tool that describes it, and the tool itself.
    pub components: [&'a Value; 2],
    /// What the invocation that found it set for it.
    pub configured: &'a Value,
}

/// Where a description is: the component, and the rule in it.
type Found = (usize, usize);

const NOTHING: &Value = &Value::Null;

impl<'a> Rules<'a> {
    pub(super) fn of(run: &'a Value) -> Self {
        let tool = &run["tool"];
        let components = iter::once(&tool["driver"]).chain(list(&tool["extensions"]));
        Self { components: components.map(Component::of).collect(), invocations: list(&run["invocations"]) }
    }

    pub(super) fn of_result(&self, result: &'a Value) -> Rule<'a> {
        let reference = &result["rule"];
        let id = result["ruleId"].as_str().or_else(|| reference["id"].as_str());
        let number = index(&reference["index"]).or_else(|| index(&result["ruleIndex"]));
        let found = self.find(id, number, reference);
        let about = found.map_or(NOTHING, |(component, rule)| &self.components[component].rules[rule]);
        let named = id.or_else(|| about["id"].as_str()).or_else(|| about["name"].as_str());
        let component = found.map_or(0, |(component, _)| component);
        Rule {
            id: named.filter(|id| !id.is_empty()).unwrap_or("unnamed").to_owned(),
            about,
            components: [component, 0].map(|at| self.components[at].about),
            configured: self.configured(result, about),
        }
    }

    /// Where the description is that a reference means; the standard calls it reportingDescriptorReference.
    fn find(&self, id: Option<&str>, number: Option<usize>, reference: &Value) -> Option<Found> {
        let component = self.component(&reference["toolComponent"]);
        let place = component.unwrap_or_default();
        let numbered = number.filter(|number| *number < self.components[place].rules.len());
        let fits = |number: &usize| {
            let known = self.components[place].rules[*number]["id"].as_str();
            id.is_none_or(|id| known.is_some_and(|known| leading(id).any(|part| part == known)))
        };
        let guid = reference["guid"].as_str();
        // An index that means a rule of another name is wrong, and used only where nothing else is there.
        numbered
            .filter(fits)
            .map(|number| (place, number))
            .or_else(|| self.by_name(place..place + 1, id, guid))
            .or_else(|| self.by_name(0..self.components.len(), id, guid))
            .or_else(|| numbered.map(|number| (place, number)))
    }

    fn by_name(&self, places: std::ops::Range<usize>, id: Option<&str>, guid: Option<&str>) -> Option<Found> {
        places.into_iter().find_map(|place| {
            let component = &self.components[place];
            let by_guid = || {
                let guid = guid?;
                component.rules.iter().position(|rule| same_guid(&rule["guid"], guid))
            };
            let by_id = || leading(id?).find_map(|part| component.by_id.get(part).copied());
            by_guid().or_else(by_id).map(|rule| (place, rule))
        })
    }

    /// The component that a reference means; `None` where it names none, which means the tool itself.
    fn component(&self, reference: &Value) -> Option<usize> {
        let at = |fits: &dyn Fn(&Value) -> bool| self.components.iter().position(|component| fits(component.about));
        let by_index =
            index(&reference["index"]).and_then(|index| index.checked_add(1)).filter(|at| *at < self.components.len());
        by_index
            .or_else(|| reference["guid"].as_str().and_then(|guid| at(&|about| same_guid(&about["guid"], guid))))
            .or_else(|| reference["name"].as_str().and_then(|name| at(&|about| about["name"] == name)))
    }

    /// What the invocation that found a result set for its rule. A run of one invocation leaves out which it was.
    fn configured(&self, result: &Value, about: &Value) -> &'a Value {
        let only = (self.invocations.len() == 1).then_some(0);
        let at = index(&result["provenance"]["invocationIndex"]).or(only);
        let Some(invocation) = at.and_then(|at| self.invocations.get(at)).filter(|_| !about.is_null()) else {
            return NOTHING;
        };
        let means = |entry: &&Value| {
            let reference = &entry["descriptor"];
            let found = self.find(reference["id"].as_str(), index(&reference["index"]), reference);
            found.is_some_and(|(component, rule)| ptr::eq(&raw const self.components[component].rules[rule], about))
        };
        let overrides = list(&invocation["ruleConfigurationOverrides"]).iter();
        overrides.take(OVERRIDES_MAX).find(means).map_or(NOTHING, |entry| &entry["configuration"])
    }
}

/// How many overrides of an invocation are looked through for each result.
const OVERRIDES_MAX: usize = 1000;

impl<'a> Component<'a> {
    fn of(about: &'a Value) -> Self {
        let rules = list(&about["rules"]);
        let ids = rules.iter().enumerate().filter_map(|(at, rule)| Some((rule["id"].as_str()?, at)));
        // Of two rules of one id the first counts.
        Self { about, rules, by_id: ids.rev().collect() }
    }
}

fn same_guid(value: &Value, guid: &str) -> bool {
    value.as_str().is_some_and(|known| known.eq_ignore_ascii_case(guid))
}

/// The id itself, then what stands before each slash, the longest first: `a/b/c`, `a/b`, `a`.
fn leading(id: &str) -> impl Iterator<Item = &str> {
    iter::successors(Some(id), |id| id.rsplit_once('/').map(|(before, _)| before))
}
