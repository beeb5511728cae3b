#!/usr/bin/env python3
"""A native smsgw device around any command that sends an SMS. Needs paho-mqtt 1.6 or 2.x, nothing else.

    native_client.py mqtt://HOST:1883 ID KEY --exec 'termux-sms-send -n {to}'
    native_client.py mqtts://HOST:8883 ID KEY --ca ca.crt --exec 'termux-sms-send -n {to}'

The text goes to the command's standard input; an argument may say {to}, {body} or {sim} instead. No shell is
involved. Exit code 0 means sent; 75 (EX_TEMPFAIL of sysexits.h) not sent, but it may work later, so that the
gateway tries again; any other not sent, for good. The rules that it keeps are those of docs/PROTOCOL.md.
"""
import argparse, json, os, re, shlex, signal, subprocess, sys, threading, time, uuid
from datetime import datetime, timezone
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt


# Why a network may take later what it did not take now; the exit code of a command that says so.
EX_TEMPFAIL = 75
PASSING = {"busy", "congestion", "network_error", "no_service", "radio_error", "radio_off", "stopped", "temporary"}


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_past(moment):
    return datetime.fromisoformat(moment.replace("Z", "+00:00")) <= datetime.now(timezone.utc)


class Journal:
    """An append-only file of JSON lines; what has not been synced to it has not happened."""

    def __init__(self, path):
        self.taken, self.started, self.last, self.open = {}, set(), {}, {}
        text = open(path, "rb").read() if os.path.exists(path) else b""
        self.file = os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab")
        if text and not text.endswith(b"\n"):
            self.file.write(b"\n")  # a crash cut the last line: keep the next one apart from it
        for line in text.split(b"\n"):
            try:
                self.apply(*json.loads(line))
            except ValueError:
                pass

    def apply(self, kind, value):
        if kind == "taken":
            self.taken[value["id"]] = value
            self.started.discard(value["id"])
            self.last.pop(value["id"], None)
        elif kind == "started":
            self.started.add(value)
        elif kind == "report":
            self.last[value["id"]] = self.open[value["report_id"]] = value
        elif kind == "receipt":
            self.open.pop(value, None)

    def write(self, kind, value):
        self.file.write(json.dumps([kind, value]).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.apply(kind, value)

    def waiting(self):
        return [sms for id, sms in self.taken.items() if id not in self.started and id not in self.last]


class Device:
    def __init__(self, args):
        self.args, self.journal, self.repeats, self.up = args, Journal(args.journal), {}, False
        # Paho's thread hears, one speaks, and ours runs the radio; a change wakes whoever waits.
        self.lock = threading.Condition(threading.RLock())
        version = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []
        self.client = mqtt.Client(*version, client_id=args.id, clean_session=False)
        self.client.username_pw_set(args.id, args.key)
        self.client.will_set(self.topic("presence"), '{"online":false}', qos=1, retain=True)
        self.client.reconnect_delay_set(1, 30)
        self.client.on_connect, self.client.on_disconnect = self.on_connect, self.on_disconnect
        self.client.on_subscribe, self.client.on_message = self.on_subscribe, self.on_message

    def topic(self, name):
        return f"smsgw/v1/{self.args.id}/{name}"

    def publish(self, name, payload, retain=False):
        return self.client.publish(self.topic(name), json.dumps(payload), qos=1, retain=retain)

    def on_connect(self, client, userdata, flags, code):
        print("connected" if code == 0 else f"refused ({code}): check the id and the key", file=sys.stderr)
        client.subscribe(self.topic("down"), qos=1)

    def on_subscribe(self, client, userdata, mid, granted):
        with self.lock:
            self.publish("presence", {"online": True, "at": now()}, retain=True)
            self.publish("up", {"type": "hello", "agent": "smsgw-python/1", "protocol": 1, "sims": []})
            self.repeats = {id: (0, 1) for id in self.journal.open}  # a new connection: say all again
            self.up = True
            self.lock.notify_all()

    def on_disconnect(self, client, userdata, code):
        self.up = False

    def on_message(self, client, userdata, message):
        # paho acknowledges when this returns, so a message is in the journal by then. If it cannot be
        # written the process must go: the broker keeps the message.
        try:
            with self.lock:
                self.hear(json.loads(message.payload))
                self.lock.notify_all()
        except (ValueError, KeyError, TypeError, AttributeError):
            print("a message from the gateway cannot be read", file=sys.stderr)
        except OSError as error:
            print(f"the journal cannot be written: {error}", file=sys.stderr)
            os._exit(1)

    def hear(self, down):
        if down["type"] == "send":
            sms = {"sim": None, "attempt": 1, "expires_at": None, **down}
            known, last = self.journal.taken.get(sms["id"]), self.journal.last.get(sms["id"])
            # Only a new attempt at what failed for a while, by order of a gateway that has stored so, is sent again.
            failed = last and last["state"] == "failed" and last.get("code") in PASSING
            retry = known and failed and not self.unheard(sms["id"]) and sms["attempt"] > known["attempt"]
            if (known or last) and not retry:
                return self.again(sms["id"])
            self.journal.write("taken", {k: sms[k] for k in ("id", "to", "body", "sim", "attempt", "expires_at")})
            self.report(sms["id"], "acknowledged")
        elif down["type"] == "cancel":
            last = self.journal.last.get(down["id"])
            if last and last.get("code") not in PASSING:
                self.again(down["id"])
            elif last or down["id"] not in self.journal.started:
                self.report(down["id"], "failed", "canceled")
        elif down["type"] == "receipt":
            for report_id in down["report_ids"]:
                if report_id in self.journal.open:
                    self.journal.write("receipt", report_id)
                self.repeats.pop(report_id, None)

    def unheard(self, id):
        """The reports on a message without a receipt."""
        return [report_id for report_id, report in self.journal.open.items() if report["id"] == id]

    def again(self, id):
        """Says again what became of a message: under a new report id only where the gateway has stored the old one."""
        unheard = self.unheard(id)
        self.repeats.update((report_id, (0, 1)) for report_id in unheard)
        if not unheard:
            last = self.journal.last.get(id, {})
            self.report(id, last.get("state", "acknowledged"), last.get("code"))

    def report(self, id, state, code=None):
        report = {"type": "report", "report_id": str(uuid.uuid4()), "id": id, "state": state, "at": now()}
        report.update({"code": code} if code else {})
        attempt = self.journal.taken.get(id, {}).get("attempt")
        report.update({"attempt": attempt} if attempt and code != "canceled" else {})  # a cancel is about them all
        for report_id in self.unheard(id):
            if self.journal.open[report_id]["state"] == "acknowledged":  # which this implies
                del self.journal.open[report_id]
                self.repeats.pop(report_id, None)
        if state == "acknowledged":
            self.journal.open[report["report_id"]] = report  # not written: that it was taken says it
        else:
            self.journal.write("report", report)
        self.repeats[report["report_id"]] = (0, 1)

    def speak(self):
        """Says each report, and again until its receipt comes: after 1 s, doubling to 60 s."""
        while True:
            with self.lock:
                for report_id, (due, wait) in list(self.repeats.items()) if self.up else []:
                    if due <= time.monotonic():
                        self.publish("up", self.journal.open[report_id])
                        self.repeats[report_id] = (time.monotonic() + wait, min(wait * 2, 60))
                self.lock.wait(0.2)

    def transmit(self, sms):
        """Touches the radio, outside the lock. Gives the state and a code."""
        words = {"{to}": sms["to"], "{body}": sms["body"], "{sim}": str(sms["sim"] or 1)}
        argv = [re.sub(r"\{(to|body|sim)\}", lambda m: words[m[0]], word) for word in shlex.split(self.args.exec)]
        try:
            done = subprocess.run(argv, input=sms["body"].encode(), timeout=120, start_new_session=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return "unknown", "timeout"  # it may have been sent
        except (OSError, ValueError):
            return "failed", "no_command"
        if done.returncode == 0:
            return "sent", None
        return "failed", "temporary" if done.returncode == EX_TEMPFAIL else f"exit_{done.returncode}"

    def run(self):
        url = urlsplit(self.args.url)
        with self.lock:
            for id in self.journal.started - self.journal.last.keys():
                self.report(id, "unknown", "interrupted")
            for sms in self.journal.waiting():
                self.report(sms["id"], "acknowledged")
        tls = url.scheme == "mqtts"
        if tls:
            self.client.tls_set(ca_certs=self.args.ca, certfile=self.args.cert, keyfile=self.args.tls_key)
        self.client.connect_async(url.hostname, url.port or (8883 if tls else 1883), keepalive=30)
        self.client.loop_start()
        threading.Thread(target=self.speak, daemon=True).start()
        while True:
            with self.lock:
                sms = next(iter(self.journal.waiting()), None)
                if not sms:
                    self.lock.wait()
                    continue
                if sms["expires_at"] and is_past(sms["expires_at"]):
                    self.report(sms["id"], "failed", "expired")
                    continue
                self.journal.write("started", sms["id"])
            outcome = self.transmit(sms)
            with self.lock:
                self.report(sms["id"], *outcome)
                self.lock.notify_all()

    def stop(self):
        if self.up:
            self.publish("presence", {"online": False, "at": now()}, retain=True).wait_for_publish(timeout=2)
        self.client.disconnect()
        self.client.loop_stop()


def main():
    args = argparse.ArgumentParser(description="A native smsgw device around a command that sends an SMS.")
    args.add_argument("url", help="mqtt://HOST[:PORT], or mqtts:// for TLS")
    args.add_argument("id", help="the device id")
    args.add_argument("key", help="its API key")
    args.add_argument("--exec", required=True, help="the command, such as: termux-sms-send -n {to}")
    args.add_argument("--ca", help="with mqtts: the CA of the broker; default: those of this machine")
    args.add_argument("--cert", help="with mqtts: the certificate to show, if the broker wants one")
    args.add_argument("--tls-key", help="its private key")
    args.add_argument("--journal", default="smsgw-device.journal", help="default: %(default)s")
    args = args.parse_args()
    if urlsplit(args.url).scheme not in ("mqtt", "mqtts") or not urlsplit(args.url).hostname:
        sys.exit("the broker address must read mqtt://HOST or mqtts://HOST, with or without :PORT")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    device = Device(args)
    try:
        device.run()
    except KeyboardInterrupt:
        device.stop()


if __name__ == "__main__":
    main()
