//! What arrives is judged in the order of its arrival. The loop is turned by hand, without a connection.

use rumqttc::v5::mqttbytes::v5::Publish;

use super::*;
use crate::device::journal::Journal;
use crate::device::radio::RadioError;
use crate::wire::Receipt;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A device that has room for one message beside the one in the radio.
struct Ground {
    agent: Agent,
    radio: mpsc::Receiver<Sms>,
}

impl Ground {
    fn new() -> std::io::Result<Self> {
        let (jobs, radio) = mpsc::channel(1);
        let desk = Desk::new(Journal::open(None, 99)?, 1, Instant::now());
        let hello = Hello { agent: "test/1".into(), protocol: 1, sims: Vec::new() };
        Ok(Self { agent: Agent::new("device".into(), hello, desk, jobs), radio })
    }

    fn say(&mut self, down: &Down) {
        let publish = Publish::new("down", QoS::AtLeastOnce, wire::encode(down), None);
        self.agent.hear(LinkEvent::Message(Box::new(publish)));
    }

    fn send(&mut self, id: &str, attempt: u32) {
        self.say(&Down::Send(Sms {
            id: id.into(),
            to: "+34600111222".into(),
            body: "hi".into(),
            sim: None,
            segments: 1,
            expires_at: None,
            attempt,
        }));
    }

    /// The gateway has stored all that was reported of a message.
    fn receipt(&mut self, id: &str) {
        let report_ids = self.agent.desk.journal.ledger().open_of(id);
        assert!(!report_ids.is_empty(), "{id} has nothing to store");
        self.say(&Down::Receipt(Receipt { report_ids }));
    }

    /// One turn, and what goes into the radio: id and attempt.
    async fn turn(&mut self) -> Result<Option<(String, u32)>, DeviceError> {
        self.agent.turn().await?;
        Ok(self.radio.try_recv().ok().map(|sms| (sms.id, sms.attempt)))
    }

    /// The radio could not send it now.
    fn fails(&mut self, id: &str) {
        self.agent.busy = false;
        let result = Err(RadioError::new("no_service"));
        self.agent.desk.done(Done { id: id.into(), result }, Instant::now());
    }

    /// One message that has failed for a while, and no word of it stored.
    async fn failed(&mut self, id: &str) -> Outcome {
        self.send(id, 1);
        assert_eq!(self.turn().await?, Some((id.into(), 1)));
        self.fails(id);
        Ok(())
    }

    /// Leaves no room: one message in the radio, one that waits.
    async fn fill(&mut self) -> Outcome {
        self.send("x", 1);
        assert_eq!(self.turn().await?, Some(("x".into(), 1)));
        self.send("y", 1);
        assert_eq!(self.turn().await?, None);
        assert!(!self.agent.desk.has_room());
        Ok(())
    }
}

#[tokio::test]
async fn an_order_from_before_the_receipt_is_none_for_a_new_attempt() -> Outcome {
    let mut ground = Ground::new()?;
    ground.failed("a").await?;
    ground.send("a", 2);
    ground.receipt("a");
    assert_eq!(ground.turn().await?, None);
    ground.send("a", 3);
    assert_eq!(ground.turn().await?, Some(("a".into(), 3)));
    Ok(())
}

#[tokio::test]
async fn nor_does_it_become_one_by_waiting_for_room() -> Outcome {
    let mut ground = Ground::new()?;
    ground.failed("a").await?;
    ground.fill().await?;
    ground.send("a", 2);
    ground.receipt("a");
    ground.fails("x");
    assert_eq!(ground.turn().await?, Some(("y".into(), 1)));
    ground.fails("y");
    assert_eq!(ground.turn().await?, None);
    Ok(())
}

#[tokio::test]
async fn what_was_to_be_taken_when_it_came_is_taken_when_there_is_room() -> Outcome {
    let mut ground = Ground::new()?;
    ground.failed("a").await?;
    ground.receipt("a");
    ground.fill().await?;
    ground.send("a", 2);
    // A copy from before: its answer is a new report, whose receipt nobody has to wait for.
    ground.send("a", 1);
    ground.fails("x");
    assert_eq!(ground.turn().await?, Some(("y".into(), 1)));
    ground.fails("y");
    assert_eq!(ground.turn().await?, Some(("a".into(), 2)));
    Ok(())
}

#[tokio::test]
async fn of_several_that_came_before_there_was_room_the_first_is_taken() -> Outcome {
    let mut ground = Ground::new()?;
    ground.failed("a").await?;
    ground.receipt("a");
    ground.fill().await?;
    for (id, attempt) in [("a", 2), ("a", 2), ("a", 3), ("b", 1), ("b", 1)] {
        ground.send(id, attempt);
    }
    ground.fails("x");
    assert_eq!(ground.turn().await?, Some(("y".into(), 1)));
    assert_eq!(ground.turn().await?, None);
    ground.fails("y");
    assert_eq!(ground.turn().await?, Some(("a".into(), 2)));
    // The order for the third attempt came before this failure.
    ground.fails("a");
    ground.receipt("a");
    assert_eq!(ground.turn().await?, Some(("b".into(), 1)));
    ground.fails("b");
    ground.receipt("b");
    assert_eq!(ground.turn().await?, None);
    Ok(())
}
