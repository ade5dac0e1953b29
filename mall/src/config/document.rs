//! `docs/config.md`, made from the table of keys.

use std::fmt::Write as _;

use super::needs;
use super::schema::Kind::{
    self, Address, Addresses, Formed, Inert, Listen, Ratio, Refused, Secret, Secrets, Switch, Table, Tables, Text,
    Texts, Whole, Word,
};
use super::schema::{CLIENT, CONSUL, ETCD, ROOT, Section};

/// The document `docs/config.md`.
pub fn document() -> String {
    let mut text = "# Configuration of a service\n\n\
        `mallctl serve ROLE --config FILE` reads one YAML (or JSON) file. Keys are go-zero's where go-zero has the key, and \
        are found whatever their case; an unknown key or a wrong value is refused with its place and the nearest valid one, \
        a key that the role cannot start without must be there, \
        and every mistake of a file is told at once (`--check` tells them without starting; what the role needs beside the file it names without refusing the file). `${NAME}` in a value is the \
        environment variable NAME, which must exist. `mall/etc/` has one file per role.\n\n\
        Without a supervisor these variables win over the file: `OTEL_SDK_DISABLED`, `OTEL_SERVICE_NAME`, \
        `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, \
        `OTEL_TRACES_SAMPLER_ARG`; `OTEL_RESOURCE_ATTRIBUTES` adds to the resource. A sampler without `parentbased_` in its name \
        decides alone, whatever the caller decided.\n"
        .to_owned();
    text.push_str(&needs::document());
    describe("", &ROOT, &mut text);
    text
}

fn describe(path: &str, section: &Section, text: &mut String) {
    let title = if path.is_empty() { "The file" } else { path };
    let _ = writeln!(text, "\n## {title}\n\n| key | holds | meaning |\n|---|---|---|");
    for field in section.fields.iter().filter(|field| !field.doc.is_empty()) {
        let _ = writeln!(text, "| `{}` | {} | {} |", field.key, field.kind.name(), field.doc);
    }
    let silent = section.fields.iter().filter_map(|field| match &field.kind {
        Inert(why) => Some(format!("`{}` has no effect: {why}.", field.key)),
        Refused(why) => Some(format!("`{}` is refused: {why}.", field.key)),
        _ => None,
    });
    let silent: Vec<String> = silent.collect();
    if !silent.is_empty() {
        let _ = writeln!(text, "\n{}", silent.join(" "));
    }
    for field in section.fields {
        let (Table(inner) | Tables(inner)) = &field.kind else { continue };
        // Shown once, where it stands first.
        let title =
            format!("\n## {}\n", if path.is_empty() { field.key.to_owned() } else { format!("{path}.{}", field.key) });
        let is_shown = std::ptr::eq(*inner, &raw const ETCD) && text.contains("\n## Etcd\n")
            || std::ptr::eq(*inner, &raw const CONSUL) && text.contains("\n## Consul\n")
            || std::ptr::eq(*inner, &raw const CLIENT) && text.contains("\n## UserRpc\n");
        if !is_shown {
            describe(title.trim().trim_start_matches("## "), inner, text);
        }
    }
}

impl Kind {
    /// What stands in the document.
    fn name(&self) -> String {
        match self {
            Text => "text".to_owned(),
            Secret => "secret text".to_owned(),
            Formed(form) => form.holds.to_owned(),
            Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Whole(0, u64::MAX) => "whole number".to_owned(),
            Whole(least, most) => format!("{least} to {most}"),
            Ratio => "0 to 1".to_owned(),
            Switch => "`true`, `false`".to_owned(),
            Address | Listen => "host:port".to_owned(),
            Texts => "list of texts".to_owned(),
            Addresses => "list of host:port".to_owned(),
            Secrets => "secret texts by name".to_owned(),
            Table(_) => "keys, below".to_owned(),
            Tables(_) => "list, below".to_owned(),
            Inert(_) | Refused(_) => String::new(),
        }
    }
}
