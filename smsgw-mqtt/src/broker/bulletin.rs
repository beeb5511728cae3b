//! What the broker tells the transport.
//!
//! Connections only note what changed; one task tells it, and looks at the state when it does. So no connection ever
//! waits for the transport, changes that cancel each other out are never told, and the last word is always the truth.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smsgw_core::transport::TopicKey;
use tokio::sync::{Notify, mpsc};

/// What happens on the broker, as far as it is not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerEvent {
    /// Whether anybody is subscribed to the messages of a key of the original protocol, from now on.
    Listening {
        /// The key, which nobody has checked.
        key: TopicKey,
        /// Whether somebody is.
        listening: bool,
    },
    /// A device that had presented its key has only now subscribed to the answer, and may have missed it: answer
    /// again.
    AuthenticationAwaited {
        /// The key, which nobody has checked.
        key: TopicKey,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum News {
    Listening(TopicKey),
    Awaited(TopicKey),
}

#[derive(Default)]
struct Board {
    /// How many connections listen to each key.
    listeners: HashMap<TopicKey, usize>,
    /// How many connections listen to the answer for each key.
    answer_listeners: HashMap<TopicKey, usize>,
    /// How many connections have presented each key and do not listen to the answer yet, and whether it has been given
    /// meanwhile, to nobody.
    awaiting: HashMap<TopicKey, (usize, bool)>,
    /// The keys whose listeners have been told of.
    told: HashSet<TopicKey>,
    /// What is to be told, in order, and the same again to find it by.
    news: VecDeque<News>,
    waiting: HashSet<News>,
}

#[derive(Default)]
pub(super) struct Bulletin {
    board: Mutex<Board>,
    added: Notify,
}

impl Bulletin {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection began to listen to `key`.
    pub(super) fn listen(&self, key: &str) {
        let key = TopicKey::new(key);
        let mut board = self.lock();
        *board.listeners.entry(key.clone()).or_default() += 1;
        self.add(&mut board, News::Listening(key));
    }

    /// A connection that listened to `key` ceased to.
    pub(super) fn leave(&self, key: &str) {
        let key = TopicKey::new(key);
        let mut board = self.lock();
        if let Some(count) = board.listeners.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                board.listeners.remove(&key);
            }
        }
        self.add(&mut board, News::Listening(key));
    }

    /// A connection presented `key` and does not listen to the answer yet.
    pub(super) fn ask(&self, key: &str) {
        self.lock().awaiting.entry(TopicKey::new(key)).or_default().0 += 1;
    }

    /// Whoever asked does not wait any more: it listens now, or is gone. Says whether the answer has been missed.
    fn cease(board: &mut Board, key: &TopicKey) -> bool {
        let Some((asking, missed)) = board.awaiting.get_mut(key) else { return false };
        let missed = *missed;
        *asking -= 1;
        if *asking == 0 {
            board.awaiting.remove(key);
        }
        missed
    }

    /// A connection began to listen to the answer for `key`; `asked` is set where it presented the key before that.
    /// Where the answer has been given meanwhile, to nobody, another is due.
    pub(super) fn listen_for_answer(&self, key: &str, asked: bool) {
        let key = TopicKey::new(key);
        let mut board = self.lock();
        *board.answer_listeners.entry(key.clone()).or_default() += 1;
        if asked && Self::cease(&mut board, &key) {
            self.add(&mut board, News::Awaited(key));
        }
    }

    /// A connection that listened to the answer for `key` ceased to.
    pub(super) fn leave_answer(&self, key: &str) {
        let key = TopicKey::new(key);
        let mut board = self.lock();
        if let Some(count) = board.answer_listeners.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                board.answer_listeners.remove(&key);
            }
        }
    }

    /// The gateway answers who presented `key`.
    pub(super) fn answer(&self, key: &str) {
        let key = TopicKey::new(key);
        let mut board = self.lock();
        if !board.answer_listeners.contains_key(&key)
            && let Some((_, missed)) = board.awaiting.get_mut(&key)
        {
            *missed = true;
        }
    }

    /// A connection that asked for the answer for `key` is gone.
    pub(super) fn forget(&self, key: &str) {
        Self::cease(&mut self.lock(), &TopicKey::new(key));
    }

    fn add(&self, board: &mut Board, news: News) {
        if board.waiting.insert(news.clone()) {
            board.news.push_back(news);
        }
        self.added.notify_one();
    }

    /// The next event, where there is one.
    fn next(&self) -> Option<BrokerEvent> {
        let mut board = self.lock();
        while let Some(news) = board.news.pop_front() {
            board.waiting.remove(&news);
            match news {
                News::Awaited(key) => return Some(BrokerEvent::AuthenticationAwaited { key }),
                News::Listening(key) => {
                    let listening = board.listeners.contains_key(&key);
                    let changed =
                        if listening { board.told.insert(key.clone()) } else { board.told.remove(&key) };
                    if changed {
                        return Some(BrokerEvent::Listening { key, listening });
                    }
                }
            }
        }
        None
    }

    /// Tells everything to `events`, until nobody hears it.
    pub(super) async fn tell(&self, events: mpsc::Sender<BrokerEvent>) {
        loop {
            while let Some(event) = self.next() {
                if events.send(event).await.is_err() {
                    return;
                }
            }
            self.added.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(key: &str, listening: bool) -> BrokerEvent {
        BrokerEvent::Listening { key: TopicKey::new(key), listening }
    }

    #[test]
    fn a_key_is_listened_to_until_the_last_one_leaves() {
        let bulletin = Bulletin::default();
        bulletin.listen("a");
        bulletin.listen("a");
        assert_eq!(bulletin.next(), Some(listening("a", true)));
        bulletin.leave("a");
        assert_eq!(bulletin.next(), None);
        bulletin.leave("a");
        assert_eq!(bulletin.next(), Some(listening("a", false)));
        assert_eq!(bulletin.next(), None);
    }

    #[test]
    fn what_cancels_out_is_not_told() {
        let bulletin = Bulletin::default();
        bulletin.listen("a");
        bulletin.leave("a");
        assert_eq!(bulletin.next(), None);
        bulletin.listen("a");
        assert_eq!(bulletin.next(), Some(listening("a", true)));
        bulletin.leave("a");
        bulletin.listen("b");
        bulletin.listen("a");
        assert_eq!(bulletin.next(), Some(listening("b", true)));
        assert_eq!(bulletin.next(), None);
    }

    #[test]
    fn a_late_subscriber_is_told_of_once() {
        let bulletin = Bulletin::default();
        bulletin.ask("a");
        bulletin.answer("a");
        bulletin.listen_for_answer("a", true);
        bulletin.listen_for_answer("a", false);
        let key = TopicKey::new("a");
        assert_eq!(bulletin.next(), Some(BrokerEvent::AuthenticationAwaited { key }));
        assert_eq!(bulletin.next(), None);
    }

    #[test]
    fn who_listens_when_the_answer_comes_gets_no_other() {
        let bulletin = Bulletin::default();
        bulletin.ask("a");
        bulletin.listen_for_answer("a", true);
        bulletin.answer("a");
        // Nor does who did not ask.
        bulletin.answer("b");
        bulletin.listen_for_answer("b", false);
        assert_eq!(bulletin.next(), None);
    }

    #[test]
    fn nothing_is_kept_of_those_who_are_gone() {
        let bulletin = Bulletin::default();
        bulletin.answer("nobody asked");
        bulletin.ask("a");
        bulletin.ask("a");
        bulletin.answer("a");
        bulletin.forget("a");
        bulletin.forget("a");
        bulletin.answer("a");
        assert!(bulletin.lock().awaiting.is_empty());
        bulletin.listen_for_answer("b", false);
        bulletin.leave_answer("b");
        assert!(bulletin.lock().answer_listeners.is_empty());
    }
}
