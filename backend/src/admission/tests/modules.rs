//! Maven builds of several modules: which are built, and which of them is started.

use super::*;

/// A project of several modules: what is at the top, and each module with the inside of its pom and whether it has main.
fn modules(top: &str, modules: &[(&str, &str, bool)]) -> World {
    let world = World::good();
    world.remove("src");
    let names: String = modules.iter().map(|(name, ..)| format!("<module>{name}</module>")).collect();
    let pom = POM.split_once("<dependencies>").unwrap().0;
    world.write("pom.xml", format!("{pom}<packaging>pom</packaging><modules>{names}</modules>{top}</project>"));
    for (name, inside, has_main) in modules {
        world.write(&format!("{name}/pom.xml"), format!("<project><artifactId>{name}</artifactId>{inside}</project>"));
        let class = if *has_main { APPLICATION } else { "class Library {}" };
        world.write(&format!("{name}/{MAIN}"), class);
        world.write(&format!("{name}/{TEST}"), "class Tests {}");
    }
    world
}

const PLUGIN: &str = "<build><plugins><plugin><groupId>org.springframework.boot</groupId>\
     <artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build>";

#[test]
fn a_project_of_several_modules_is_admitted_and_its_application_is_the_module_with_the_plugin() {
    let skipped = PLUGIN.replace("</plugin>", "<configuration><skip>true</skip></configuration></plugin>");
    let skipped = skipped.as_str();
    for (top, list, told) in [
        ("", &[("core", "", false), ("app", PLUGIN, true)][..], ""),
        ("", &[("core", skipped, false), ("app", PLUGIN, true)], ""),
        (PLUGIN, &[("core", "", false), ("app", "", true)], ""),
        (
            "",
            &[("one", PLUGIN, true), ("two", PLUGIN, true)],
            "pom.xml builds 2 applications (one, two): name the module",
        ),
        (PLUGIN, &[("one", "", true), ("two", skipped, true)], ""),
        (
            "",
            &[("core", "", false), ("app", "", true)],
            "no module uses the spring-boot-maven-plugin (core, app): PACKAGE will fail",
        ),
    ] {
        let warnings = modules(top, list).accepted().warnings;
        let warnings: Vec<_> = warnings.iter().filter(|warning| !warning.contains("is there twice")).collect();
        match told {
            "" => assert!(warnings.is_empty(), "{list:?}: {warnings:?}"),
            told => assert!(warnings.len() == 1 && warnings[0].starts_with(told), "{list:?}: {warnings:?}"),
        }
    }
}

#[test]
fn modules_are_followed_and_one_that_is_not_there_is_named() {
    let world = modules("", &[("a", "<packaging>pom</packaging><modules><module>../b</module></modules>", false)]);
    assert!(
        world.refused().contains("a/pom.xml names a module whose pom is not there: b/pom.xml"),
        "{}",
        world.refused()
    );
    world.write("b/pom.xml", format!("<project>{PLUGIN}</project>"));
    world.write(&format!("b/{MAIN}"), APPLICATION);
    assert!(world.accepted().warnings.is_empty(), "a module beside the one that names it");
    world.write("b/pom.xml", "<project><modules><module>../a</module><module>../../out</module></modules></project>");
    assert!(world.refused().contains("pom is not there: ../out/pom.xml"), "a circle ends: {}", world.refused());
    world.write("b/pom.xml", "<project");
    assert!(world.refused().starts_with("pom-malformed | b/pom.xml | "), "{}", world.refused());
    let plain = modules("", &[("core", "", false)]);
    plain.write("pom.xml", "<project><packaging>pom</packaging><modules><module>core</module></modules></project>");
    plain.write(&format!("core/{MAIN}"), APPLICATION);
    assert!(
        plain.refused().contains("none of the modules that pom.xml builds uses Spring Boot (core)"),
        "{}",
        plain.refused()
    );
}
