//! Bodies of reads stream, both ways: what one side has sent is at the other before it sends more.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::house::{House, TOKEN};
use crate::support::wire::{Upstream, soon};

/// A client that is read and written piece by piece.
struct Slow(TcpStream);

impl Slow {
    async fn connect(house: &House) -> Self {
        let stream = TcpStream::connect(house.salesforce).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn read_until(&mut self, end: &str) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(end.as_bytes()) {
            seen.push(soon(self.0.read_u8()).await.unwrap());
        }
        String::from_utf8(seen).unwrap()
    }
}

fn head(house: &House, line: &str, more: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n",
        house.salesforce
    )
}

const QUERY: &str = "GET /services/data/v60.0/query?q=SELECT+Id+FROM+Account";

#[tokio::test]
async fn an_answer_in_chunks_streams() {
    let upstream = Upstream::bind().await;
    let house = House::builder().upstream(&upstream.url()).build().await;
    let mut client = Slow::connect(&house).await;
    client.write(&head(&house, QUERY, "")).await;
    let mut link = upstream.next().await;
    link.head().await;
    link.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await;
    // The first piece is here while the CRM has not sent the second.
    let seen = client.read_until("first\r\n").await;
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
    link.write(b"6\r\nsecond\r\n").await;
    client.read_until("second\r\n").await;
    link.write(b"0\r\nX-Trailer: 1\r\n\r\n").await;
    // Trailers never become headers of anything: they end here.
    assert_eq!(client.read_until("0\r\n\r\n").await, "0\r\n\r\n");
    drop(link);
    house.finish().await;
}

#[tokio::test]
async fn an_answer_of_known_length_streams() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 16;
    let upstream = Upstream::bind().await;
    let house = House::builder().upstream(&upstream.url()).build().await;
    let mut client = Slow::connect(&house).await;
    client.write(&head(&house, QUERY, "")).await;
    let mut link = upstream.next().await;
    link.head().await;
    let length = PIECE * PIECES;
    let start = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    link.write(start.as_bytes()).await;
    let seen = client.read_until("\r\n\r\n").await;
    assert!(
        seen.to_ascii_lowercase()
            .contains(&format!("content-length: {length}")),
        "{seen}"
    );
    let mut got = vec![0; PIECE];
    for round in 0..PIECES {
        let octet = b'a' + u8::try_from(round).unwrap();
        link.write(&vec![octet; PIECE]).await;
        // Each piece is at the client whole before the next is sent.
        soon(client.0.read_exact(&mut got)).await.unwrap();
        assert!(got.iter().all(|got| *got == octet));
    }
    drop(link);
    house.finish().await;
}

#[tokio::test]
async fn the_body_of_a_read_streams_in() {
    let upstream = Upstream::bind().await;
    let house = House::builder().upstream(&upstream.url()).build().await;
    let line = "POST /services/data/v60.0/composite/sobjects/Account";
    let mut client = Slow::connect(&house).await;
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    client.write(&head(&house, line, chunked)).await;
    client.write("5\r\nfirst\r\n").await;
    let mut link = upstream.next().await;
    let seen = link.head().await;
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
    // The CRM has the first piece while the client has not sent the second.
    link.read_until(b"5\r\nfirst\r\n").await;
    client.write("6\r\nsecond\r\n0\r\n\r\n").await;
    link.read_until(b"6\r\nsecond\r\n0\r\n\r\n").await;
    link.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        .await;
    client.read_until("\r\n\r\n[]").await;

    // The same with a length.
    let length = "Content-Type: application/json\r\nContent-Length: 11\r\n";
    client.write(&head(&house, line, length)).await;
    client.write("first").await;
    let seen = link.head().await;
    assert!(seen.contains("content-length: 11"), "{seen}");
    link.read_until(b"first").await;
    client.write("second").await;
    link.read_until(b"second").await;
    link.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        .await;
    client.read_until("\r\n\r\n[]").await;
    drop(link);
    house.finish().await;
}

/// An answer that breaks off breaks off at the client too: it is never made to look whole.
#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_whole() {
    let upstream = Upstream::bind().await;
    let house = House::builder().upstream(&upstream.url()).build().await;
    for start in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    ] {
        let mut client = Slow::connect(&house).await;
        client.write(&head(&house, QUERY, "")).await;
        let mut link = upstream.next().await;
        link.head().await;
        link.write(start.as_bytes()).await;
        client.read_until("first").await;
        drop(link);
        let mut rest = Vec::new();
        // A reset counts as an end as well.
        drop(client.0.read_to_end(&mut rest).await);
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    }
    house.finish().await;
}
