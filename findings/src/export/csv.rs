//! CSV (RFC 4180) for a sheet, in which no field is a formula.

use super::{Row, Sheet};

const HEAD: &str = "severity,state,accepted,stage,tool,rule,path,line,package,fixed_in,url,message,fingerprint";

pub(super) fn write(sheet: &Sheet<'_>) -> String {
    let mut text = format!("{HEAD}\r\n");
    for row in &sheet.rows {
        text.push_str(&fields(row).iter().map(|field| quoted(field)).collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    text
}

fn fields(row: &Row<'_>) -> [String; 13] {
    let finding = row.finding;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        finding.severity.as_str().to_owned(),
        row.state.as_str().to_owned(),
        row.accepted.unwrap_or_default().to_owned(),
        row.stage.to_owned(),
        finding.tool.clone(),
        finding.rule.clone(),
        or_none(&finding.path),
        finding.line.map(|line| line.to_string()).unwrap_or_default(),
        or_none(&finding.package),
        or_none(&finding.fixed_in),
        or_none(&finding.url),
        finding.message.clone(),
        finding.fingerprint.clone(),
    ]
}

/// A field. One that a sheet would take for a formula gets a sign before it: what it says was written by the project.
fn quoted(field: &str) -> String {
    let guarded =
        if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{field}") } else { field.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}
