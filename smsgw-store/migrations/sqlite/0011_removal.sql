-- What was erased, by when it was: it is removed in that order.
CREATE INDEX messages_erased ON messages (erased_at) WHERE erased_at IS NOT NULL;
CREATE INDEX inbox_erased ON inbox (erased_at) WHERE erased_at IS NOT NULL;
