//! Where variables get their values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderMap;

use crate::data::Table;
use crate::template::{Values, Variable};

/// The values of one flow start.
pub struct Context<'a> {
    /// All sources.
    pub tables: &'a [Table],
    /// The picked row of each; empty outside a flow.
    pub rows: &'a [u32],
    /// Saved for the whole run.
    pub shared: &'a BTreeMap<String, String>,
    /// Saved by earlier steps of this flow start.
    pub saved: BTreeMap<String, String>,
    /// Number of the flow start.
    pub seq: u64,
    /// Headers of the request that is recorded.
    pub sent: Option<&'a HeaderMap>,
}

impl Context<'_> {
    fn field(&self, source: &str, field: &str) -> Option<&str> {
        let at = self.tables.iter().position(|table| table.name == source)?;
        let row = *self.rows.get(at)? as usize;
        self.tables.get(at)?.rows.get(row)?.get(field).map(String::as_str)
    }

    fn saved(&self, name: &str) -> Option<&str> {
        let of_row = || {
            let rows = self.tables.iter().zip(self.rows);
            rows.filter_map(|(table, row)| table.saved.get(*row as usize)).find_map(|saved| saved.get(name))
        };
        self.saved.get(name).or_else(of_row).or_else(|| self.shared.get(name)).map(String::as_str)
    }
}

impl Values for Context<'_> {
    fn value(&mut self, variable: &Variable) -> Option<Cow<'_, str>> {
        match variable {
            Variable::Uuid => Some(uuid::Uuid::new_v4().to_string().into()),
            Variable::Seq => Some(self.seq.to_string().into()),
            // What is recorded must not hold a secret; what is sent must.
            Variable::Env(_) if self.sent.is_some() => Some("***".into()),
            Variable::Env(name) => std::env::var(name).ok().map(Cow::Owned),
            Variable::Sent(name) => self.sent?.get(name)?.to_str().ok().map(Cow::Borrowed),
            Variable::Saved(name) => self.saved(name).map(Cow::Borrowed),
            Variable::Field { source, field } => self.field(source, field).map(Cow::Borrowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Skew;

    #[test]
    fn the_nearest_value_wins() {
        let table = Table {
            name: "user".into(),
            skew: Skew::Uniform,
            rows: vec![[("id".to_owned(), "7".to_owned())].into()],
            saved: vec![[("token".to_owned(), "row".to_owned())].into()],
        };
        let shared = [("token".to_owned(), "run".to_owned()), ("region".to_owned(), "eu".to_owned())].into();
        let mut context =
            Context { tables: &[table], rows: &[0], shared: &shared, saved: BTreeMap::new(), seq: 3, sent: None };
        let value = |context: &mut Context<'_>, variable| context.value(&variable).map(Cow::into_owned);
        let field = Variable::Field { source: "user".into(), field: "id".into() };
        assert_eq!(value(&mut context, field).as_deref(), Some("7"));
        assert_eq!(value(&mut context, Variable::Saved("token".into())).as_deref(), Some("row"));
        assert_eq!(value(&mut context, Variable::Saved("region".into())).as_deref(), Some("eu"));
        context.saved.insert("token".into(), "flow".into());
        assert_eq!(value(&mut context, Variable::Saved("token".into())).as_deref(), Some("flow"));
        assert_eq!(value(&mut context, Variable::Seq).as_deref(), Some("3"));
    }

    #[test]
    fn a_secret_is_never_recorded() {
        let headers = HeaderMap::new();
        let shared = BTreeMap::new();
        let mut context =
            Context { tables: &[], rows: &[], shared: &shared, saved: BTreeMap::new(), seq: 0, sent: Some(&headers) };
        assert_eq!(context.value(&Variable::Env("HOME".into())).as_deref(), Some("***"));
    }
}
