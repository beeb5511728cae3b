use super::*;

const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
const BOB: AccountId = AccountId::from_uuid(Uuid::from_u128(2));

fn event(account: AccountId, number: usize) -> Event {
    let id = DeviceId::from_uuid(Uuid::from_u128(number as u128));
    Event::Device(DeviceChange { id, account, online: true, paused: false, at: Timestamp::EPOCH })
}

struct Place(Arc<EventLog>, CancellationToken);

impl Place {
    fn new(log: u128) -> Self {
        Self(Arc::new(EventLog::new(Uuid::from_u128(log))), CancellationToken::new())
    }

    fn listen(&self, after: Option<EventId>) -> EventStream {
        EventStream::new(self.0.clone(), ANN, after, self.1.clone())
    }
}

async fn told(stream: &mut EventStream) -> (EventId, Event) {
    match stream.next().await {
        Some(Streamed::Event(id, event)) => (id, event),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listener_hears_its_own_and_goes_on_where_it_was() {
    let place = Place::new(7);
    place.0.push([event(ANN, 0)]);
    let mut stream = place.listen(None);
    let begin = stream.position();
    place.0.push([event(ANN, 1), event(BOB, 2), event(ANN, 3)]);
    let (first, heard) = told(&mut stream).await;
    assert_eq!(heard, event(ANN, 1));
    assert_eq!(told(&mut stream).await.1, event(ANN, 3));
    for (after, number) in [(begin, 1), (first, 3)] {
        let id: EventId = after.to_string().parse().expect("an id");
        assert_eq!(told(&mut place.listen(Some(id))).await.1, event(ANN, number));
    }
    // One that waits is woken.
    let waiting = tokio::spawn(async move { told(&mut stream).await.1 });
    tokio::task::yield_now().await;
    place.0.push([event(ANN, 4)]);
    assert_eq!(waiting.await.expect("no panic"), event(ANN, 4));
}

#[tokio::test]
async fn what_is_kept_no_more_is_missed_and_what_follows_is_heard() {
    let place = Place::new(7);
    let (mut slow, mut quiet) = (place.listen(None), place.listen(None));
    let begin = slow.position();
    place.0.push((0..KEPT).map(|number| event(BOB, number)));
    place.0.push([event(ANN, 1)]);
    assert_eq!(place.0.ring().events.len(), KEPT);
    for stream in [&mut slow, &mut quiet, &mut place.listen(Some(begin))] {
        let Some(Streamed::Missed(id)) = stream.next().await else { panic!("not missed") };
        assert_eq!(id, stream.position());
    }
    place.0.push([event(ANN, 2)]);
    assert_eq!(told(&mut slow).await.1, event(ANN, 2));
    assert_eq!(told(&mut quiet).await.1, event(ANN, 2));
}

#[tokio::test]
async fn an_id_of_another_start_or_of_what_is_to_come_is_missed() {
    let (place, other) = (Place::new(7), Place::new(8));
    place.0.push([event(ANN, 1)]);
    other.0.push([event(ANN, 1)]);
    let ahead = EventId { number: 2, ..place.listen(None).position() };
    for id in [other.listen(None).position(), ahead] {
        assert!(matches!(place.listen(Some(id)).next().await, Some(Streamed::Missed(_))), "{id}");
    }
    for text in ["", ".", "7.1", "x.1", &format!("{}.-1", Uuid::nil().simple())] {
        assert_eq!(text.parse::<EventId>(), Err(EventIdError), "{text}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_gateway() {
    let place = Place::new(7);
    let mut stream = place.listen(None);
    place.0.push([event(ANN, 1)]);
    place.1.cancel();
    assert_eq!(told(&mut stream).await.1, event(ANN, 1));
    assert_eq!(stream.next().await, None);
}
