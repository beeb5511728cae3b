use rumqttc::v5::{EventLoop, MqttOptions};

use super::*;

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// A gateway with the client id `gateway`, and what it hears of its broker.
struct Ground {
    rivals: Rivals,
    client: AsyncClient,
    // What is said goes nowhere.
    _events: EventLoop,
}

impl Ground {
    fn new() -> Self {
        let (client, events) = AsyncClient::new(MqttOptions::new("gateway", "localhost", 1883), 256);
        Self { rivals: Rivals::new("gateway"), client, _events: events }
    }

    fn hear(&mut self, word: &str, retain: bool) {
        let mut publish = Publish::new(down_topic("gateway"), QoS::AtMostOnce, word.to_owned(), None);
        publish.retain = retain;
        assert!(self.rivals.is_mine(&publish));
        self.rivals.hear(&publish, &self.client);
    }

    /// A whole connection: its own word comes back, and again when it is left.
    fn connect(&mut self, found: Option<&str>) {
        self.rivals.connected(true);
        assert!(self.rivals.filter().is_some());
        self.rivals.ask(&self.client);
        if let Some(word) = found {
            self.hear(word, true);
        }
        let own = self.rivals.current();
        self.hear(&own, false);
        self.hear(&own, false);
    }

    fn counted(&self) -> usize {
        self.rivals.takeovers.len()
    }

    fn is_ours(&self) -> bool {
        self.rivals.word.is_ours.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn only_takeovers_of_the_last_minute_count() {
    let mut rivals = Rivals::new("gateway");
    for pause in [0, 59, 2, 59, 50] {
        pass(pause).await;
        rivals.took_over();
        assert!(!rivals.insist(), "after {pause}");
    }
    pass(8).await;
    rivals.took_over();
    assert!(rivals.insist(), "three within 58 s");
}

#[tokio::test(start_paused = true)]
async fn a_takeover_counts_once_however_it_is_known() {
    let mut ground = Ground::new();
    ground.connect(Some("another-1"));
    assert_eq!(ground.counted(), 0, "that was one before us");
    ground.rivals.took_over();
    ground.connect(Some("another-2"));
    assert_eq!(ground.counted(), 1, "the broker had said so");
    for (taken, word) in [(2, "another-3"), (3, "another-4")] {
        assert!(!ground.rivals.insist());
        ground.rivals.lost(true);
        ground.connect(Some(word));
        assert_eq!(ground.counted(), taken);
    }
    assert!(ground.rivals.insist());
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_we_are_connected_is_no_takeover() {
    let mut ground = Ground::new();
    ground.connect(None);
    for n in 0..100 {
        // With the flag as a broker passes it on, and as it may come where the broker answers late.
        ground.hear(&format!("forged-{n}"), n % 2 == 0);
    }
    assert_eq!(ground.counted(), 0);
    // Nor where the last of them is found again after each connection that the network cuts.
    for n in 0..10 {
        ground.hear(&format!("left-{n}"), false);
        ground.rivals.lost(true);
        ground.connect(Some(&format!("left-{n}")));
    }
    assert_eq!(ground.counted(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_found_counts_only_where_the_other_side_ended_the_connection_before() {
    let mut ground = Ground::new();
    ground.connect(None);
    ground.rivals.lost(false);
    ground.connect(Some("left-1"));
    assert_eq!(ground.counted(), 0, "we had left ourselves");
    ground.rivals.lost(true);
    ground.rivals.lost(false);
    ground.connect(Some("left-2"));
    assert_eq!(ground.counted(), 0, "the broker was away meanwhile");
    ground.rivals.lost(true);
    ground.connect(Some("left-3"));
    assert_eq!(ground.counted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_word_that_the_broker_restores_is_known() {
    let mut ground = Ground::new();
    // Of a run of before, kept by the broker while ours were not.
    ground.connect(Some("of-before"));
    let own = ground.rivals.current();
    for _ in 0..3 {
        ground.rivals.lost(true);
        ground.connect(Some("of-before"));
        ground.rivals.lost(true);
        ground.connect(Some(&own));
    }
    assert_eq!(ground.counted(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_our_own_word_is_taken_away() {
    let mut ground = Ground::new();
    assert!(!ground.is_ours(), "none is there");
    ground.connect(None);
    assert!(ground.is_ours());
    ground.hear("another", false);
    assert!(!ground.is_ours(), "theirs may be there instead");
    ground.rivals.lost(false);
    ground.connect(None);
    assert!(ground.is_ours());
    ground.rivals.word().clear(&ground.client);
    assert!(!ground.is_ours(), "once");
    // What comes of it.
    ground.hear("", false);
    assert_eq!(ground.counted(), 0);
    ground.connect(None);
    ground.rivals.lost(true);
    assert!(!ground.is_ours(), "whose it is now is not known");
}

#[test]
fn without_retained_messages_no_word_is_left() {
    let mut ground = Ground::new();
    ground.rivals.connected(false);
    assert!(ground.rivals.filter().is_none());
    ground.rivals.connected(true);
    assert!(ground.rivals.filter().is_some());
}

#[test]
fn a_client_id_that_cannot_stand_in_a_topic_leaves_no_word() {
    for client_id in ["", "a/b", "+", "#"] {
        assert!(Rivals::new(client_id).filter().is_none(), "{client_id:?}");
    }
    assert!(Rivals::impossible().filter().is_none());
}
