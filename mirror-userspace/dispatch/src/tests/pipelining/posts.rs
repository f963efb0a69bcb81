//! What takes effect each time that it arrives: it is never among copies that may be sent again.

use std::collections::HashMap;

use super::*;

const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn post(number: u64) -> String {
    format!("POST /{number} HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")
}

/// Does what a connection asks for as soon as it is read, and closes now and then behind the reply to
/// the first of several requests that it has carried out. Says how often each arrived.
async fn hasty(executed: Rc<RefCell<HashMap<String, u64>>>) -> Server {
    let batches = Rc::new(Cell::new(0_u64));
    Server::start(move |mut peer| {
        let (executed, batches) = (Rc::clone(&executed), Rc::clone(&batches));
        async move {
            while let Some(first) = peer.request().await {
                let mut batch = vec![first];
                // Whatever is on its way arrives meanwhile.
                sleep(Duration::from_millis(2)).await;
                while let Some(next) = peer.next_that_is_here().await {
                    batch.push(next);
                }
                for request in &batch {
                    let line = String::from_utf8_lossy(request);
                    let line = line.lines().next().unwrap_or_default().to_owned();
                    *executed.borrow_mut().entry(line).or_default() += 1;
                }
                let number = batches.get() + 1;
                batches.set(number);
                if number * number % 7 == 4 {
                    peer.write(LAST).await;
                    break;
                }
                peer.write(&OK.repeat(batch.len())).await;
            }
            // A close with something unread would be a reset, and lose the reply.
            while peer.more().await.is_some() {}
        }
    })
    .await
}

#[test]
fn no_post_arrives_twice_at_a_target_that_closes_now_and_then() {
    run(async {
        let executed = Rc::default();
        let server = hasty(Rc::clone(&executed)).await;
        let mut config = pipelining(16);
        config.connections = 3;
        let mut rig = Rig::new(config, server.address);
        for number in 0..60 {
            for connection in 0..8 {
                let of_post = (number + connection) % 4 == 0;
                let number = number * 8 + connection;
                let text = if of_post { post } else { numbered };
                rig.send(connection, &text(number));
            }
            if number % 8 == 0 {
                sleep(Duration::from_millis(2)).await;
            }
        }
        let counters = rig.settle().await;
        assert_eq!(counters.answered.success, 480, "{counters:?}");
        assert!(counters.pipelined > 0, "{counters:?}");
        let executed = executed.borrow();
        let (posts, others): (Vec<_>, Vec<_>) = executed
            .iter()
            .partition(|(line, _)| line.starts_with("POST"));
        assert!(posts.iter().all(|(_, times)| **times == 1), "{posts:?}");
        let again: u64 = others.iter().map(|(_, times)| **times - 1).sum();
        assert_eq!((posts.len(), others.len()), (120, 360));
        assert_eq!(again, counters.sent_again, "all that was sent is counted");
        assert!(again > 0, "it closes too seldom");
    });
}
