//! What a person is told of a project that is admitted all the same.

use super::*;

#[test]
fn an_application_is_looked_for_among_the_main_sources() {
    let world = World::good();
    world.write(MAIN, "// @SpringBootApplication\nclass DemoApplication { String s = \"@SpringBootApplication\"; }");
    world.write(TEST, APPLICATION);
    insta::assert_snapshot!(world.refused(), @"required-text | - | spring-boot-application: `@SpringBootApplication` is in none of the files that match `**/src/main/**/*.java` (1 file), it must be there at least once | annotate one class, the one with main, with @SpringBootApplication");
    world.write(MAIN, APPLICATION);
    assert!(world.accepted().warnings.is_empty(), "tests may have applications of their own");
    world.write("README.md", "@SpringBootApplication");
    assert!(world.accepted().warnings.is_empty(), "only Java files count");
}

#[test]
fn several_applications_are_named_with_what_is_started() {
    let world = World::good();
    world.write("src/main/java/com/example/Second.java", APPLICATION);
    let accepted = world.accepted();
    assert_eq!(accepted.status, AdmissionStatus::AcceptedWithIssues);
    insta::assert_snapshot!(accepted.warnings.join("\n"), @"spring-boot-application: `@SpringBootApplication` is there twice, in src/main/java/com/example/DemoApplication.java, src/main/java/com/example/Second.java: started is the class that mainClass of the spring-boot-maven-plugin (or the property start-class) names; where neither does, PACKAGE fails");
    world.write("src/main/java/com/example/Second.java", "class Second { /* @SpringBootApplication */ }");
    assert!(world.accepted().warnings.is_empty());
}

#[test]
fn what_will_be_missed_while_the_job_runs_is_told_before() {
    let told = |dependencies: &[&str], databases: &str| {
        let mut world = World::good();
        let list: String = dependencies.iter().map(|name| format!("<dependency>{name}</dependency>")).collect();
        world.write("pom.xml", POM.replace("<dependencies>", &format!("<dependencies>{list}")));
        world.request.stack.requires_db = databases.parse().unwrap();
        world.accepted().warnings.join("; ")
    };
    let artifact = |name: &str| format!("<groupId>x</groupId><artifactId>{name}</artifactId>");
    let (postgres, h2, mysql) = (artifact("postgresql"), artifact("h2"), artifact("mysql-connector-j"));
    assert!(told(&[&postgres], "").contains("with requires_db (--requires-db) one runs beside TEST"));
    assert!(!told(&[&postgres], "postgresql").contains("--requires-db"));
    assert_eq!(told(&[&postgres, &h2, &mysql], ""), "", "with one in memory");
    assert!(told(&[&mysql], "postgresql,redis").contains("(--requires-db=mysql) a MariaDB runs in its place"));
    assert!(!told(&[&mysql], "mysql").contains("--requires-db"));
    assert!(told(&[&artifact("mssql-jdbc")], "mysql").contains("a database that no job can have beside it"));
    let docker = "<groupId>org.testcontainers</groupId><artifactId>junit-jupiter</artifactId>";
    assert!(told(&[docker], "").contains("TEST has no Docker"));
    assert!(told(&[&artifact("frontend-maven-plugin")], "").contains("BUILD must reach nodejs.org"));
}

#[test]
fn an_application_that_nothing_makes_is_told_before() {
    let world = World::good();
    let (before, after) = POM.split_once("<build>").unwrap();
    world.write("pom.xml", format!("{before}{}", after.split_once("</build>").unwrap().1));
    let warnings = world.accepted().warnings.join("\n");
    assert!(
        warnings.starts_with("pom.xml does not use the spring-boot-maven-plugin (or skips it): PACKAGE will fail"),
        "{warnings}"
    );
}

#[test]
fn what_is_optional_or_cannot_be_told_is_a_warning() {
    let world = World::good();
    world.remove("src/test");
    world.write(
        "pom.xml",
        POM.replace("<java.version>17<", "<java.version>${env.JDK}<")
            .replace("<dependencies>", "<packaging>ear</packaging><dependencies>"),
    );
    world.write("src/main/java/Huge.java", vec![b' '; 4 * 1024 * 1024 + 1]);
    let accepted = world.accepted();
    assert_eq!(accepted.status, AdmissionStatus::AcceptedWithIssues);
    insta::assert_snapshot!(accepted.warnings.join("\n"), @r#"
there are no tests under src/test/java: TEST will have nothing to run
src/main/java/Huge.java was not searched: it has more than 4194304 bytes
pom.xml packages a `ear`: PACKAGE looks for a jar or a war
pom.xml asks for Java `${env.JDK}` (the property java.version), which cannot be told from the file: the job runs with Java 17
"#);
}
