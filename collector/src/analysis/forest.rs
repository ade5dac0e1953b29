//! A trace as rows in display order, whatever arrived.
//!
//! Spans come from strangers: parents that never arrived, spans that are their own parent, cycles, the same span twice.
//! The forest holds every distinct span exactly once, parents before children, siblings by (start, end, id), and says as
//! warnings what it had to decide.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::model::{Kind, Span, SpanId};

/// One span in its place.
#[derive(Debug, Clone)]
pub struct Row {
    /// The span.
    pub span: Arc<Span>,
    /// Row of its parent, always a smaller number; `None` for a root of the forest.
    pub parent: Option<usize>,
    /// Steps to its root.
    pub depth: u32,
    /// Whether it names a parent that is not here.
    pub orphan: bool,
    /// Row after its last descendant.
    after: usize,
}

impl Row {
    /// Begin, nanoseconds since the epoch.
    pub fn start_ns(&self) -> u64 {
        self.span.start_ns
    }

    /// End, never before the begin: a span that ends earlier or has not ended has no length.
    pub fn end_ns(&self) -> u64 {
        self.span.end_ns.max(self.span.start_ns)
    }

    /// Length in nanoseconds.
    pub fn duration_ns(&self) -> u64 {
        self.span.duration_ns()
    }
}

/// All spans of a trace in display order.
#[derive(Debug, Clone, Default)]
pub struct Forest {
    /// Rows: parents before children, siblings by (start, end, id); a row's descendants follow it without a gap.
    pub rows: Vec<Row>,
    /// What had to be decided, at most one of each kind.
    pub warnings: Vec<Warning>,
}

/// A kind of defect in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarningKind {
    /// A parent is named that is not here.
    MissingParent,
    /// A span names itself as its parent: it became a root.
    SelfParent,
    /// Parents form a cycle: it was cut at the span that starts first.
    Cycle,
    /// A span came more than once: the first was kept.
    Duplicate,
    /// A span ends before it starts: it counts as having no length.
    EndsBeforeStart,
    /// A span has no end: it counts as having no length.
    Unfinished,
}

/// A defect of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What is wrong.
    pub kind: WarningKind,
    /// The first span concerned; for a missing parent, the absent one.
    pub span_id: SpanId,
    /// How many spans are concerned.
    pub count: usize,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, span_id, count } = self;
        match kind {
            WarningKind::MissingParent => {
                write!(out, "{count} spans name a parent that never arrived, first {span_id}")
            }
            WarningKind::SelfParent => {
                write!(out, "{count} spans name themselves as parent and became roots, first {span_id}")
            }
            WarningKind::Cycle => {
                write!(out, "{count} cycles of parents were cut at their earliest span, first {span_id}")
            }
            WarningKind::Duplicate => write!(out, "{count} spans came again and were ignored, first {span_id}"),
            WarningKind::EndsBeforeStart => write!(out, "{count} spans end before they start, first {span_id}"),
            WarningKind::Unfinished => write!(out, "{count} spans have no end, first {span_id}"),
        }
    }
}

impl Forest {
    /// Rows without a parent row, in display order.
    pub fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        self.siblings(0, self.rows.len())
    }

    /// Children of a row in display order; none for a number that is no row.
    pub fn children(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let after = self.rows.get(row).map_or(0, |parent| parent.after);
        self.siblings(row + 1, after)
    }

    /// The root that a trace is judged by: one without a missing parent before an orphan, then the longest, then the first.
    pub fn main_root(&self) -> Option<usize> {
        self.roots().min_by_key(|&root| {
            let row = self.rows.get(root);
            (row.is_some_and(|row| row.orphan), Reverse(row.map_or(0, Row::duration_ns)))
        })
    }

    /// From the first start to the last end over all rows; `None` without rows.
    pub fn hull(&self) -> Option<(u64, u64)> {
        let start = self.rows.iter().map(Row::start_ns).min()?;
        let end = self.rows.iter().map(Row::end_ns).max()?;
        Some((start, end))
    }

    fn siblings(&self, first: usize, after: usize) -> impl Iterator<Item = usize> + '_ {
        let existing = move |row: usize| (row < after).then_some(row);
        std::iter::successors(existing(first), move |&row| existing(self.rows.get(row)?.after))
    }
}

/// Builds the forest of the spans of one trace.
///
/// A span id that came twice keeps its first span, except that a CLIENT and a SERVER span may share one (Zipkin's way):
/// then the server's span is the child of the client's and the parent of the rest. Cost: O(n log n), no recursion.
pub fn forest(spans: &[Arc<Span>]) -> Forest {
    let mut defects = Defects::default();
    let distinct = Distinct::of(spans, &mut defects);
    let mut parents = distinct.parents(&mut defects);
    cut_cycles(&distinct.spans, &mut parents, &mut defects);
    let orphans = distinct.orphans(&mut defects);
    for span in &distinct.spans {
        if span.end_ns == 0 && span.start_ns > 0 {
            defects.note(WarningKind::Unfinished, span.span_id);
        } else if span.end_ns < span.start_ns {
            defects.note(WarningKind::EndsBeforeStart, span.span_id);
        }
    }
    Forest { rows: arrange(&distinct.spans, &parents, &orphans), warnings: defects.warnings }
}

#[derive(Default)]
struct Defects {
    warnings: Vec<Warning>,
}

impl Defects {
    fn note(&mut self, kind: WarningKind, span_id: SpanId) {
        match self.warnings.iter_mut().find(|warning| warning.kind == kind) {
            Some(warning) => warning.count += 1,
            None => self.warnings.push(Warning { kind, span_id, count: 1 }),
        }
    }
}

/// The spans without repetitions, and who answers to which id.
struct Distinct<'a> {
    spans: Vec<&'a Arc<Span>>,
    first: HashMap<SpanId, usize>,
    /// The server's half of an id that a CLIENT and a SERVER span share.
    served: HashMap<SpanId, usize>,
}

impl<'a> Distinct<'a> {
    fn of(spans: &'a [Arc<Span>], defects: &mut Defects) -> Self {
        let mut distinct = Self {
            spans: Vec::with_capacity(spans.len()),
            first: HashMap::with_capacity(spans.len()),
            served: HashMap::new(),
        };
        for span in spans {
            let place = distinct.spans.len();
            let Some(&earlier) = distinct.first.get(&span.span_id) else {
                distinct.first.insert(span.span_id, place);
                distinct.spans.push(span);
                continue;
            };
            let earlier_kind = distinct.spans.get(earlier).map(|span| span.kind);
            let is_pair = matches!(
                (earlier_kind, span.kind),
                (Some(Kind::Client), Kind::Server) | (Some(Kind::Server), Kind::Client)
            );
            if !is_pair || distinct.served.contains_key(&span.span_id) {
                defects.note(WarningKind::Duplicate, span.span_id);
                continue;
            }
            distinct.spans.push(span);
            if span.kind == Kind::Server {
                distinct.served.insert(span.span_id, place);
            } else {
                distinct.first.insert(span.span_id, place);
                distinct.served.insert(span.span_id, earlier);
            }
        }
        distinct
    }

    fn parents(&self, defects: &mut Defects) -> Vec<Option<usize>> {
        let parent_of = |(place, span): (usize, &&Arc<Span>)| {
            if self.served.get(&span.span_id) == Some(&place) {
                return self.first.get(&span.span_id).copied();
            }
            let parent_id = span.parent_id?;
            if parent_id == span.span_id {
                defects.note(WarningKind::SelfParent, span.span_id);
                return None;
            }
            self.served.get(&parent_id).or_else(|| self.first.get(&parent_id)).copied()
        };
        self.spans.iter().enumerate().map(parent_of).collect()
    }

    /// The absent parent of each span that has one.
    fn orphans(&self, defects: &mut Defects) -> Vec<Option<SpanId>> {
        let absent = |span: &&Arc<Span>| {
            let parent_id = span.parent_id.filter(|id| !self.first.contains_key(id))?;
            defects.note(WarningKind::MissingParent, parent_id);
            Some(parent_id)
        };
        self.spans.iter().map(absent).collect()
    }
}

/// Makes the earliest span of each cycle a root.
fn cut_cycles(spans: &[&Arc<Span>], parents: &mut [Option<usize>], defects: &mut Defects) {
    // The walk that first came by; 0 is nobody. Meeting one's own number again is a cycle.
    let mut walked = vec![0_usize; spans.len()];
    for start in 0..spans.len() {
        let walk = start + 1;
        let mut at = Some(start);
        while let Some(place) = at {
            match walked.get_mut(place) {
                Some(number) if *number == 0 => *number = walk,
                Some(number) if *number == walk => {
                    cut_one(place, spans, parents, defects);
                    break;
                }
                _ => break,
            }
            at = parents.get(place).copied().flatten();
        }
    }
}

fn cut_one(on_cycle: usize, spans: &[&Arc<Span>], parents: &mut [Option<usize>], defects: &mut Defects) {
    let next = |place: &usize| parents.get(*place).copied().flatten().filter(|&parent| parent != on_cycle);
    let members = std::iter::successors(Some(on_cycle), next);
    let Some(earliest) = members.min_by_key(|&place| spans.get(place).map(|span| order_of(span))) else { return };
    if let (Some(parent), Some(span)) = (parents.get_mut(earliest), spans.get(earliest)) {
        *parent = None;
        defects.note(WarningKind::Cycle, span.span_id);
    }
}

fn order_of(span: &Span) -> (u64, u64, SpanId) {
    (span.start_ns, span.end_ns, span.span_id)
}

/// Lays the spans out in display order.
fn arrange(spans: &[&Arc<Span>], parents: &[Option<usize>], orphans: &[Option<SpanId>]) -> Vec<Row> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut roots = Vec::new();
    for (place, parent) in parents.iter().enumerate() {
        match parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(place),
            None => roots.push(place),
        }
    }
    let order = |place: &usize| spans.get(*place).map(|span| order_of(span));
    for siblings in &mut children {
        siblings.sort_by_key(order);
    }
    sort_roots(&mut roots, spans, orphans);

    let mut rows: Vec<Row> = Vec::with_capacity(spans.len());
    let mut open: Vec<(usize, Option<usize>)> = roots.iter().rev().map(|&root| (root, None)).collect();
    while let Some((place, parent)) = open.pop() {
        let Some(span) = spans.get(place) else { continue };
        let row = rows.len();
        let depth = parent.and_then(|parent| rows.get(parent)).map_or(0, |parent| parent.depth + 1);
        let orphan = orphans.get(place).copied().flatten().is_some();
        rows.push(Row { span: Arc::clone(span), parent, depth, orphan, after: row + 1 });
        open.extend(children.get(place).into_iter().flatten().rev().map(|&child| (child, Some(row))));
    }
    for row in (0..rows.len()).rev() {
        let Some((parent, after)) = rows.get(row).and_then(|child| Some((child.parent?, child.after))) else {
            continue;
        };
        if let Some(parent) = rows.get_mut(parent) {
            parent.after = parent.after.max(after);
        }
    }
    rows
}

/// Roots by start; orphans of one missing parent stay together, at the start of the first of them.
fn sort_roots(roots: &mut [usize], spans: &[&Arc<Span>], orphans: &[Option<SpanId>]) {
    let absent = |place: usize| orphans.get(place).copied().flatten();
    let start = |place: usize| spans.get(place).map_or(0, |span| span.start_ns);
    let mut group_start: HashMap<SpanId, u64> = HashMap::new();
    for &root in roots.iter() {
        if let Some(parent_id) = absent(root) {
            group_start
                .entry(parent_id)
                .and_modify(|first| *first = start(root).min(*first))
                .or_insert_with(|| start(root));
        }
    }
    roots.sort_by_key(|&root| {
        let group = absent(root);
        let begins = group.and_then(|id| group_start.get(&id).copied()).unwrap_or_else(|| start(root));
        (begins, group, spans.get(root).map(|span| order_of(span)))
    });
}
