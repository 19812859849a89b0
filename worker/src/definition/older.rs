//! What jobs lack that an older program admitted: what their stack left to that program is data today, and a job keeps the
//! files that it was admitted with.

use pipelinex_common::{database::DatabaseKind, pipeline::Pipeline};

/// The one stack of those programs told its application of the database by these.
const DATABASE: [(&str, &str); 3] = [
    ("SPRING_DATASOURCE_URL", "jdbc:postgresql://$PGHOST:$PGPORT/$PGDATABASE"),
    ("SPRING_DATASOURCE_USERNAME", "$PGUSER"),
    ("SPRING_DATASOURCE_PASSWORD", "$PGPASSWORD"),
];

/// Adds it.
pub fn complete(pipeline: &mut Pipeline) {
    for target in pipeline.steps.iter_mut().filter_map(|step| step.target.as_mut()) {
        let lacking = DATABASE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        if target.database.is_empty() {
            target.database.insert(DatabaseKind::Postgresql, lacking.collect());
        }
    }
}
