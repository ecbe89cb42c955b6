"""A host whose frames have a priority tag (VLAN 0), behind the TAP device of `echo-tap --netns`."""

import struct
import sys

import hosts

TAG = b"\x81\x00\xe0\x00"  # IEEE 802.1Q, priority 7, VLAN 0


class Tagging(hosts.Host):
    def frame(self, to, ethertype, payload):
        self.wire.send(to + self.mac + TAG + struct.pack("!H", ethertype) + payload)


wire = hosts.open_wire(sys.argv[1])
host = Tagging(wire, 9)
everybody = {host.address: host}
hosts.server_mac = hosts.ask_for_server(host)
host.segment(hosts.SYN)
hosts.wait(wire, everybody, "a connection", lambda: host.is_open)
host.line()
hosts.wait(wire, everybody, "an echo", lambda: host.back == b"line\n")
