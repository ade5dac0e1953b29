//! What happens outside the model: questions run as tasks, their answers come back as messages.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::{self, Client};
use crate::model::Model;
use crate::msg::{Ask, Change, Effect, Msg};
use crate::theme::{self, Theme};
use crate::{Leave, Options, TuiError, update};

/// Messages that wait to be taken in. A full queue holds the stream from the collector back.
const QUEUE: usize = 256;

/// Questions under way; more are refused.
const MAX_TASKS: usize = 32;

/// A model, its messages, and the tasks that send them. Tasks end when it is dropped.
pub struct Shell {
    /// The state.
    pub model: Model,
    client: Client,
    sender: mpsc::Sender<Msg>,
    messages: mpsc::Receiver<Msg>,
    tasks: JoinSet<()>,
}

/// What the caller must do after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    On,
    /// Draw everything again.
    Redraw,
    /// End.
    Leave(Leave),
}

impl Shell {
    /// Starts to follow the collector.
    pub fn start(options: &Options) -> Result<Self, TuiError> {
        let client = Client::new(&options.address, options.token.as_deref())?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(client::follow(client.clone(), sender.clone()));
        let mut model = Model::new(&*options.address, options.launch);
        model.has_token = options.token.is_some();
        model.screen = options.screen.unwrap_or(crate::Screen::Overview);
        let depth = theme::detect(options.color, |name| std::env::var(name).ok());
        model.theme = Theme::new(depth, options.ascii.unwrap_or(false));
        model.local_ns = now_ns();
        Ok(Self { model, client, sender, messages, tasks })
    }

    /// The next message from the collector. Pending for ever is impossible while a task follows it.
    pub async fn next(&mut self) -> Option<Msg> {
        self.messages.recv().await
    }

    /// A message that is already there.
    pub fn ready(&mut self) -> Option<Msg> {
        self.messages.try_recv().ok()
    }

    /// Takes a message in and starts what follows from it.
    pub fn take(&mut self, msg: Msg) -> Next {
        let _ = update::update(&mut self.model, Msg::Clock(now_ns()));
        let mut next = Next::On;
        for effect in update::update(&mut self.model, msg) {
            match effect {
                Effect::Ask(ask) => self.ask(ask),
                Effect::Change(change) => self.change(change),
                Effect::Leave(leave) => next = Next::Leave(leave),
                Effect::Redraw => next = Next::Redraw,
            }
        }
        while self.tasks.try_join_next().is_some() {}
        next
    }

    fn ask(&mut self, ask: Ask) {
        if self.tasks.len() >= MAX_TASKS {
            let _ = update::update(&mut self.model, Msg::Refused(ask, "too many questions are under way".to_owned()));
            return;
        }
        let (client, sender) = (self.client.clone(), self.sender.clone());
        self.tasks.spawn(async move {
            let msg = match client.answer(ask.clone()).await {
                Ok(answer) => Msg::Answer(Box::new(answer)),
                Err(status) => Msg::Refused(ask, client::words(&status)),
            };
            let _ = sender.send(msg).await;
        });
    }

    fn change(&mut self, change: Change) {
        let (client, sender) = (self.client.clone(), self.sender.clone());
        self.tasks.spawn(async move {
            let msg = match client.change(change).await {
                Ok(done) => Msg::Changed(done),
                Err(status) => Msg::Unchanged(client::words(&status)),
            };
            let _ = sender.send(msg).await;
        });
    }
}

/// This machine's clock.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
