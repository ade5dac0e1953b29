//! Text into tokens with their positions.

use super::QueryError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    And,
    Or,
    Not,
    Open,
    Close,
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Matches,
    MatchesNot,
}

/// A token and how many characters stand before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) position: usize,
}

type Characters<'a> = std::iter::Peekable<std::iter::Enumerate<std::str::Chars<'a>>>;

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, QueryError> {
    let mut characters = text.chars().enumerate().peekable();
    let mut tokens = Vec::new();
    while let Some(&(position, character)) = characters.peek() {
        if character.is_whitespace() {
            characters.next();
            continue;
        }
        let token = match character {
            '"' | '\'' => quoted(&mut characters)?,
            _ if is_sign(character) => sign(&mut characters)?,
            _ => word(&mut characters),
        };
        tokens.push(Placed { token, position });
    }
    Ok(tokens)
}

fn is_sign(character: char) -> bool {
    matches!(character, '(' | ')' | '!' | '=' | '<' | '>' | '~' | '&' | '|')
}

fn word(characters: &mut Characters<'_>) -> Token {
    let mut word = String::new();
    while let Some((_, character)) =
        characters.next_if(|(_, c)| !c.is_whitespace() && !is_sign(*c) && !matches!(c, '"' | '\''))
    {
        word.push(character);
    }
    Token::Word(word)
}

fn quoted(characters: &mut Characters<'_>) -> Result<Token, QueryError> {
    let Some((position, quote)) = characters.next() else { return Ok(Token::Quoted(String::new())) };
    let mut text = String::new();
    while let Some((_, character)) = characters.next() {
        if character == quote {
            return Ok(Token::Quoted(text));
        }
        let is_escape = character == '\\' && characters.peek().is_some_and(|(_, c)| *c == quote || *c == '\\');
        match characters.next_if(|_| is_escape) {
            Some((_, escaped)) => text.push(escaped),
            None => text.push(character),
        }
    }
    Err(QueryError {
        position,
        message: "the quoted text has no end".to_owned(),
        suggestion: Some(format!("close it with {quote}")),
    })
}

fn sign(characters: &mut Characters<'_>) -> Result<Token, QueryError> {
    let (position, first) = characters.next().unwrap_or_default();
    let mut followed_by = |wanted: char| characters.next_if(|(_, c)| *c == wanted).is_some();
    let token = match first {
        '(' => Token::Open,
        ')' => Token::Close,
        '!' if followed_by('=') => Token::Unequal,
        '!' if followed_by('~') => Token::MatchesNot,
        '!' => Token::Not,
        '=' if followed_by('~') => Token::Matches,
        '=' => {
            followed_by('=');
            Token::Equal
        }
        '~' => {
            followed_by('=');
            Token::Matches
        }
        '<' if followed_by('=') => Token::AtMost,
        '<' => Token::Less,
        '>' if followed_by('=') => Token::AtLeast,
        '>' => Token::More,
        '&' if followed_by('&') => Token::And,
        '|' if followed_by('|') => Token::Or,
        single => {
            return Err(QueryError {
                position,
                message: format!("a single `{single}` means nothing"),
                suggestion: Some(format!("write {single}{single}")),
            });
        }
    };
    Ok(token)
}
