//! A connection that can be cut and mended.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on to a server, except while it is cut. A cut breaks every connection and closes each new one.
pub struct Wire {
    /// host:port of this end.
    pub address: String,
    is_whole: watch::Sender<bool>,
}

impl Wire {
    /// A whole wire to `server`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let is_whole = watch::Sender::new(true);
        tokio::spawn(accept(listener, server.to_owned(), is_whole.subscribe()));
        Self { address, is_whole }
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    /// Mends it.
    pub fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

async fn accept(listener: TcpListener, server: String, mut is_whole: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = listener.accept().await {
        if !*is_whole.borrow_and_update() {
            continue;
        }
        let (server, mut is_whole) = (server.clone(), is_whole.clone());
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                _ = is_whole.wait_for(|is_whole| !is_whole) => {}
            }
        });
    }
}
