//! From a staged source to the verdict: recognised, cleared of build output, judged. A project that nobody named the stack of, and
//! that the likeliest one refuses for not looking like its own, is judged as the next one that its files speak for.

use std::path::Path;

use pipelinex_common::{
    folder::Folder,
    metadata::SourceKind,
    pipeline::{detect::Candidate, stack::StackKey},
    request::{JobRequest, Stack},
};

use super::{
    Accepted, AdmissionError, Recognised, Refused, admit_source, instead,
    left_out::{LeftOut, leave_out},
    recognise,
};
use crate::{config::Config, stacks::Stacks};

/// What a source was admitted as.
#[derive(Debug)]
pub struct Admitted {
    /// The request, with stack and versions filled in.
    pub request: JobRequest,
    /// The folder that is built; `None`: the top.
    pub folder: Option<Folder>,
    /// The verdict; its warnings are those of the contract alone.
    pub verdict: Accepted,
    /// What a person should know of how it was recognised, and of what was left out.
    pub warnings: Vec<String>,
    /// Files of build output that were removed.
    pub files_left_out: u64,
    /// Their bytes.
    pub bytes_left_out: u64,
}

/// Recognises a source and judges it, and removes build output from it. Blocks on the disk.
///
/// # Errors
/// [`AdmissionError`]; of several stacks that refuse it, what the likeliest says.
pub fn admit(
    source: &Path,
    request: &JobRequest,
    kind: SourceKind,
    stacks: &Stacks,
    config: &Config,
) -> Result<Admitted, AdmissionError> {
    let is_named = request.stack.is_named();
    let recognised = recognise(source, request, stacks)?;
    let others = if is_named { Vec::new() } else { next_best(&recognised) };
    let mut trial = Trial { source, request, kind, stacks, config, recognised: &recognised, left: LeftOut::default() };
    let refusal = match trial.judge(recognised.stack.clone()) {
        Ok(admitted) => return Ok(admitted),
        Err(refusal) => refusal,
    };
    let has_another_shape = has_another_shape(&refusal);
    let mut unfit = Vec::new();
    for stack in others {
        match trial.judge(stack.clone()) {
            Ok(mut admitted) if has_another_shape => {
                admitted.warnings.push(taken_instead(&admitted.request.stack, &recognised.stack, &refusal));
                return Ok(admitted);
            }
            Ok(_) => {}
            Err(_) => unfit.push(stack),
        }
    }
    // Nobody is offered what would be refused as well.
    let mut instead = instead(is_named, recognised.others, stacks);
    instead.retain(|other| other.folder != recognised.folder || !unfit.contains(&named(&other.stack)));
    Err(refusal.or_one_of(instead))
}

/// A source that is judged as one stack after another.
struct Trial<'a> {
    source: &'a Path,
    request: &'a JobRequest,
    kind: SourceKind,
    stacks: &'a Stacks,
    config: &'a Config,
    recognised: &'a Recognised,
    /// What all of them left out: it is gone, also for those that refused the rest.
    left: LeftOut,
}

impl Trial<'_> {
    fn judge(&mut self, stack: Stack) -> Result<Admitted, AdmissionError> {
        let recognised = self.recognised;
        let stack = Stack { requires_db: self.request.stack.requires_db.clone(), ..stack };
        let request = JobRequest { stack, versions: recognised.versions.clone(), ..self.request.clone() };
        let data = self.stacks.find(&request.stack).map_err(|unknown| Refused::only(unknown.problem()))?;
        let left = leave_out(self.source, &data.contract)?;
        self.left.files += left.files;
        self.left.bytes += left.bytes;
        self.left.warning = self.left.warning.take().or(left.warning);
        let folder = recognised.folder.clone();
        let verdict = admit_source(self.source, folder.as_ref(), &request, self.kind, data, self.config)?;
        let chosen = recognised.warning.clone().filter(|_| request.stack.language == recognised.stack.language);
        let warnings = chosen.into_iter().chain(self.left.warning.clone()).collect();
        let (files_left_out, bytes_left_out) = (self.left.files, self.left.bytes);
        Ok(Admitted { request, folder, verdict, warnings, files_left_out, bytes_left_out })
    }
}

/// What else the files of the same folder speak for, likeliest first.
fn next_best(recognised: &Recognised) -> Vec<Stack> {
    let here = |candidate: &&Candidate| candidate.folder == recognised.folder;
    recognised.others.iter().filter(here).map(|candidate| named(&candidate.stack)).collect()
}

fn named(key: &StackKey) -> Stack {
    let StackKey { language, framework, build_tool } = key.clone();
    Stack { language, framework, build_tool, requires_db: false.into() }
}

/// Whether a stack says that the project is not one of its own, and nothing else: what is wrong with the project itself, no other
/// stack mends.
fn has_another_shape(refusal: &AdmissionError) -> bool {
    match refusal {
        AdmissionError::Refused(refused) => refused.problems.iter().all(|problem| problem.rule.is_of_shape()),
        AdmissionError::Io(_) => false,
    }
}

fn taken_instead(stack: &Stack, likelier: &Stack, refusal: &AdmissionError) -> String {
    let folder = |stack: &Stack| StackKey::new(&stack.language, &stack.framework, &stack.build_tool).folder();
    let why = match refusal {
        AdmissionError::Refused(refused) => refused.problems.first().map(|problem| problem.message.clone()),
        AdmissionError::Io(_) => None,
    };
    format!("taken for {}, for {} would not do: {}", folder(stack), folder(likelier), why.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const APPLICATION: &str =
        "import org.springframework.boot.autoconfigure.SpringBootApplication;\n@SpringBootApplication class A {}\n";
    const POM: &str = "<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1</version>\
        <dependencies><dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter</artifactId>\
        <version>3.5.16</version></dependency></dependencies><build><plugins><plugin><groupId>org.springframework.boot</groupId>\
        <artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>";

    fn project(source: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("src/main/java")).unwrap();
        fs::write(dir.path().join("pom.xml"), POM).unwrap();
        fs::write(dir.path().join("src/main/java/A.java"), source).unwrap();
        dir
    }

    fn admitted(project: &tempfile::TempDir, asked: &str) -> Result<Admitted, AdmissionError> {
        let request = serde_json::from_str::<JobRequest>(asked).unwrap();
        let stacks = Stacks::load(None).unwrap();
        admit(project.path(), &request, SourceKind::Zip, &stacks, &Config::default())
    }

    /// What a project with this source is taken for, and what is said of that; or the rules by which it is refused.
    fn taken(source: &str, asked: &str) -> Result<(String, Vec<String>), Vec<String>> {
        match admitted(&project(source), asked) {
            Ok(admitted) => Ok((admitted.verdict.pipeline_name, admitted.warnings)),
            Err(AdmissionError::Refused(refused)) => Err(refused.problems.iter().map(|p| p.rule.to_string()).collect()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_project_that_the_likeliest_stack_does_not_take_is_taken_by_the_next() {
        let (library, why) = taken("class A {}", "{}").unwrap();
        assert_eq!(library, "java-any-maven");
        assert!(why[0].starts_with("taken for java-any-maven, for java-spring-boot-maven would not do: "), "{why:?}");
        assert_eq!(why.len(), 1, "{why:?}");
        let built = project("class A {}");
        fs::create_dir(built.path().join("target")).unwrap();
        fs::write(built.path().join("target/old.jar"), "of yesterday").unwrap();
        let admitted = admitted(&built, "{}").unwrap();
        assert_eq!((admitted.files_left_out, admitted.warnings.len()), (1, 2), "the first to refuse left it out");
        let application = taken(APPLICATION, "{}").unwrap_or_else(|refused| panic!("{refused:?}"));
        assert!(application.1.is_empty(), "a stack of any framework is no other choice");
        let named = r#"{"stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven"}}"#;
        assert!(
            taken("class A {}", named).unwrap_err().contains(&"required-text".to_owned()),
            "who names it has chosen"
        );
        let wrong = r#"{"versions": {"java": "1"}}"#;
        assert_eq!(taken("class A {}", wrong).unwrap_err(), ["required-text", "unsupported-version"]);
    }
}
