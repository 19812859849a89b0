//! What is judged: the stack and the folder that nobody named.

use super::*;

#[test]
fn a_project_whose_stack_nobody_named_is_recognised_by_its_files() {
    let world = World::good();
    let request = JobRequest { stack: Default::default(), ..world.request.clone() };
    let found = recognise(world.dir.path(), &request, &world.stacks).unwrap();
    assert_eq!((found.stack, found.folder, found.warning), (world.request.stack.clone(), None, None));
    world.remove("pom.xml");
    let refused = recognise(world.dir.path(), &request, &world.stacks).unwrap_err().to_string();
    insta::assert_snapshot!(refused, @"unknown-stack: no stack is recognised in the project, by none of pom.xml (name the stack: java/spring-boot/maven)");
}

#[test]
fn a_folder_of_a_project_is_judged_and_told_as_seen_from_the_top() {
    let mut world = World::good();
    for (from, to) in [("pom.xml", "services/api/pom.xml"), ("src", "services/api/src")] {
        fs::create_dir_all(world.dir.path().join("services/api")).unwrap();
        fs::rename(world.dir.path().join(from), world.dir.path().join(to)).unwrap();
    }
    world.request.folder = Some("./services/api/".to_owned());
    let found = recognise(world.dir.path(), &world.request, &world.stacks).unwrap();
    let (stack, folder) = (world.stacks.find(&found.stack).unwrap(), found.folder);
    let admit = |world: &World| {
        admit_source(world.dir.path(), folder.as_ref(), &world.request, world.kind, stack, &Config::default())
    };
    assert_eq!(admit(&world).unwrap().warnings, [""; 0]);
    world.write("services/api/pom.xml", "<!DOCTYPE x><project/>");
    world.remove("services/api/src/main");
    let refused = match admit(&world).unwrap_err() {
        AdmissionError::Refused(refused) => refused,
        other => panic!("{other}"),
    };
    let told = refused.problems.iter().map(|p| format!("{} {} {}", p.rule, p.path.as_deref().unwrap_or("-"), p.hint));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
required-files - put the Java sources under src/main/java, of the project or of a module
required-text - annotate one class, the one with main, with @SpringBootApplication
pom-doctype services/api/pom.xml remove it; Maven needs none
");
    for (folder, message) in [
        ("services/web", "the project has no folder `services/web`"),
        ("services/api/pom.xml", "the folder services/api/pom.xml is not taken: a part of the path is not a folder"),
        ("link", "the folder link is not taken: a part of the path is not a folder"),
        ("link/api", "the folder link/api is not taken: it is or leads through a link"),
        (
            "../x",
            "`../x` has `..` in it, which leads out of folders: name the folder as seen from the top of the project",
        ),
    ] {
        let _ = symlink("services", world.dir.path().join("link"));
        world.request.folder = Some(folder.to_owned());
        let told = recognise(world.dir.path(), &world.request, &world.stacks).unwrap_err().to_string();
        assert!(told.starts_with(&format!("unknown-folder: {message} (")), "{told}");
    }
}
