//! What helps against a finding, in a sentence: as far as its kind alone says it. What a rule advises besides is in its message.

use crate::Finding;

impl Finding {
    /// Whether it is a secret that lies in the files: what is on its line must be shown to nobody.
    pub fn is_secret(&self, stage: &str) -> bool {
        self.package.is_none() && (self.tool.eq_ignore_ascii_case("gitleaks") || stage.eq_ignore_ascii_case("secrets"))
    }

    /// How to mend it, where its kind says so; `stage` is the one that found it.
    pub fn remedy(&self, stage: &str) -> Option<String> {
        if let Some(package) = &self.package {
            let (name, version) =
                package.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((package, ""));
            return Some(match (&self.fixed_in, version) {
                (Some(fixed), "") => format!("Update {name} to {fixed} or later."),
                (Some(fixed), version) => format!("Update {name} from {version} to {fixed} or later."),
                (None, _) => {
                    format!(
                        "No version of {name} without this fault is known. Replace it, or accept the finding with the reason why the fault cannot be reached."
                    )
                }
            });
        }
        let secret = "Revoke this secret where it was issued: whoever has the files has it. Then take it out of the files and their \
                      history, and give the program the new one from outside.";
        self.is_secret(stage).then(|| secret.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Finding, testing::finding};

    #[test]
    fn what_helps_depends_on_what_was_found() {
        let package = |package: &str, fixed: Option<&str>| {
            let (package, fixed_in) = (Some(package.to_owned()), fixed.map(str::to_owned));
            Finding { package, fixed_in, ..finding("CVE-2026-1", "a", None) }.remedy("SCA").unwrap()
        };
        assert_eq!(package("@scope/a@1.0", Some("1.1")), "Update @scope/a from 1.0 to 1.1 or later.");
        assert_eq!(package("@scope/a", Some("1.1")), "Update @scope/a to 1.1 or later.");
        assert!(package("a@1.0", None).starts_with("No version of a without"));
        assert!(finding("aws-key", "a.txt", Some(1)).remedy("SECRETS").unwrap().starts_with("Revoke this secret"));
        assert_eq!(finding("eval", "a.js", Some(1)).remedy("SAST"), None);
    }
}
