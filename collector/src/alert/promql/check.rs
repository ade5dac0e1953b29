//! What is evaluated; everything else is refused by its name.

use promql_parser::parser::token::{self, TokenId};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{BinModifier, Expr, Offset, VectorMatchCardinality, VectorSelector};

/// Functions that are evaluated.
pub const FUNCTIONS: &[&str] = &[
    "abs",
    "absent",
    "avg_over_time",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "count_over_time",
    "delta",
    "floor",
    "histogram_quantile",
    "increase",
    "irate",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "rate",
    "resets",
    "scalar",
    "sum_over_time",
    "time",
    "vector",
];

/// Aggregations that are evaluated, each with `by` and `without`.
pub const AGGREGATIONS: &[&str] = &["sum", "avg", "min", "max", "count", "group"];

/// Operators that are evaluated, with `on`, `ignoring` and `bool` where they apply.
pub const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or", "unless"];

/// How far back samples are kept.
const KEPT_S: u64 = 600;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// Refuses what is not evaluated, by name.
pub(super) fn check(root: &Expr) -> Result<(), String> {
    let mut open = vec![(root, 0)];
    while let Some((expr, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(format!("nesting deeper than {MAX_DEPTH}"));
        }
        check_node(expr)?;
        open.extend(operands(expr).into_iter().map(|operand| (operand, depth + 1)));
    }
    match root.value_type() {
        ValueType::Vector | ValueType::Scalar => Ok(()),
        other => Err(format!("a {other} as the result")),
    }
}

fn operands(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => vec![&aggregate.expr],
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Call(call) => call.args.args.iter().map(|argument| &**argument).collect(),
        Expr::Subquery(_)
        | Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

fn check_node(expr: &Expr) -> Result<(), String> {
    match expr {
        Expr::Aggregate(aggregate) => named(&aggregate.op.to_string(), AGGREGATIONS, "aggregation"),
        Expr::Binary(binary) => {
            named(&binary.op.to_string(), OPERATORS, "operator")?;
            binary.modifier.as_ref().map_or(Ok(()), check_matching)
        }
        Expr::Call(call) => named(call.func.name, FUNCTIONS, "function"),
        Expr::VectorSelector(selector) => check_selector(selector, 0),
        Expr::MatrixSelector(matrix) => check_selector(&matrix.vs, matrix.range.as_secs()),
        Expr::Subquery(_) => Err("a subquery".to_owned()),
        Expr::StringLiteral(_) => Err("a text".to_owned()),
        Expr::Extension(_) => Err("an extension".to_owned()),
        Expr::Unary(_) | Expr::Paren(_) | Expr::NumberLiteral(_) => Ok(()),
    }
}

fn named(name: &str, supported: &[&str], what: &str) -> Result<(), String> {
    if supported.contains(&name) { Ok(()) } else { Err(format!("{what} {name}")) }
}

fn check_matching(modifier: &BinModifier) -> Result<(), String> {
    match modifier.card {
        VectorMatchCardinality::ManyToOne(_) => return Err("group_left".to_owned()),
        VectorMatchCardinality::OneToMany(_) => return Err("group_right".to_owned()),
        VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {}
    }
    let fills = modifier.fill_values.lhs.or(modifier.fill_values.rhs);
    if fills.is_some() { Err("fill".to_owned()) } else { Ok(()) }
}

fn check_selector(selector: &VectorSelector, range_s: u64) -> Result<(), String> {
    if selector.at.is_some() {
        return Err("the @ modifier".to_owned());
    }
    if !selector.matchers.or_matchers.is_empty() {
        return Err("`or` between matchers".to_owned());
    }
    let reach_s = match &selector.offset {
        None => range_s,
        Some(Offset::Pos(back)) => range_s + back.as_secs(),
        Some(Offset::Neg(_)) => return Err("a negative offset".to_owned()),
    };
    if reach_s > KEPT_S {
        return Err(format!("reaching back {reach_s} s, further than the {KEPT_S} s that are kept,"));
    }
    Ok(())
}

/// Operators and aggregations as the evaluation tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    And,
    Or,
    Unless,
}

impl Operator {
    pub(super) fn of(id: TokenId) -> Option<Self> {
        let operator = match id {
            token::T_ADD => Self::Add,
            token::T_SUB => Self::Subtract,
            token::T_MUL => Self::Multiply,
            token::T_DIV => Self::Divide,
            token::T_MOD => Self::Modulo,
            token::T_POW => Self::Power,
            token::T_EQLC => Self::Equal,
            token::T_NEQ => Self::Unequal,
            token::T_LSS => Self::Less,
            token::T_LTE => Self::AtMost,
            token::T_GTR => Self::More,
            token::T_GTE => Self::AtLeast,
            token::T_LAND => Self::And,
            token::T_LOR => Self::Or,
            token::T_LUNLESS => Self::Unless,
            _ => return None,
        };
        Some(operator)
    }
}
