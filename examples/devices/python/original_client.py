#!/usr/bin/env python3
"""The original system's client, as its users run it (docs/PROTOCOL.md). Works with paho-mqtt 1.6 and 2.x.

    original_client.py KEY                        the embedded demo broker: localhost:1883, no TLS
    original_client.py KEY --port 8883 --ca ca.crt --cert client.crt --tls-key client.key

Prints one line per event. It says hello before it has heard anything from the broker, as the original did.
"""
import argparse

import paho.mqtt.client as mqtt


def say(*words):
    print(*words, flush=True)


def on_connect(client, userdata, flags, code):
    say("connected" if code == 0 else f"refused {code}")


def on_disconnect(client, userdata, code):
    say(f"disconnected {code}")


def on_subscribe(client, userdata, mid, granted):
    say(f"subscribed {'refused' if 0x80 in granted else 'ok'}")


def on_message(client, userdata, message):
    text = message.payload.decode("utf-8")
    if message.topic.startswith("server/auth/"):
        say(f"auth {text}")
        return
    phone, _, body = text.partition(":")
    # repr, so that a body with newlines stays one line.
    say(f"sms {phone} {body!r}")


def main():
    args = argparse.ArgumentParser(description="The original smsgw client.")
    args.add_argument("key", help="the device's API key")
    args.add_argument("--host", default="localhost")
    args.add_argument("--port", type=int, default=1883, help="8883 with TLS")
    args.add_argument("--username", help="the shared account; default: the API key")
    args.add_argument("--password", help="its password; default: the API key")
    args.add_argument("--client-id", default="client_id", help="what the device calls itself")
    args.add_argument("--ca", help="turns TLS on: the CA certificate")
    args.add_argument("--cert", help="the client certificate, if the broker wants one")
    args.add_argument("--tls-key", help="the client certificate's key")
    args = args.parse_args()

    if hasattr(mqtt, "CallbackAPIVersion"):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1)
    else:
        client = mqtt.Client()
    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.username_pw_set(args.username or args.key, args.password or args.key)
    if args.ca:
        client.tls_set(ca_certs=args.ca, certfile=args.cert, keyfile=args.tls_key)
    client.connect(args.host, args.port, 60)
    client.publish(f"devices/auth/{args.key}", args.client_id)
    client.subscribe(f"devices/{args.key}/sms")
    client.subscribe(f"server/auth/{args.key}")
    client.loop_forever()


if __name__ == "__main__":
    main()
