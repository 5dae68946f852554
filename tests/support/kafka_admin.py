"""kafka_admin -- the few questions that tests ask a broker, in Kafka's own protocol.

In:     the address of one broker that leads every partition, as the local part does.
Out:    topics and their partitions, the ends of their logs, consumer groups; removal of both, a
        topic's configuration; a message that somebody else sent.
Never:  reads messages. Never uses librdkafka, so that what it sees does not rest on what rowhaul links.

Each request opens a connection of its own. The versions are old ones that Kafka 2 to 4 all speak.
Source: https://kafka.apache.org/protocol
"""

import io
import socket
import struct

import kafka_records

PRODUCE = 0
LIST_OFFSETS, METADATA, LIST_GROUPS, CREATE_TOPICS, DELETE_TOPICS = 2, 3, 16, 19, 20
DELETE_RECORDS, DELETE_GROUPS, ALTER_CONFIGS = 21, 42, 44
TOPIC, SET = 2, 0  # in ALTER_CONFIGS: the kind of resource, the operation
LATEST = -1  # as a timestamp in LIST_OFFSETS
UNKNOWN_TOPIC, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND = 3, 68, 69
TIMEOUT_S = 20


class KafkaError(Exception):
    """The broker's error code, by number."""


def _string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class _Answer(io.BytesIO):
    def number(self, letter):
        size = struct.calcsize(">" + letter)
        return struct.unpack(">" + letter, self.read(size))[0]

    def int16(self):
        return self.number("h")

    def int32(self):
        return self.number("i")

    def int64(self):
        return self.number("q")

    def string(self):
        length = self.int16()
        return None if length < 0 else self.read(length).decode()

    def array(self, read_item):
        return [read_item() for _ in range(self.int32())]


def _receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("the broker closed the connection")
        data += piece
    return data


class KafkaAdmin:
    def __init__(self, bootstrap):
        host, _, port = bootstrap.split(",")[0].rpartition(":")
        self.address = (host, int(port))

    def _ask(self, api, version, body):
        header = struct.pack(">hhi", api, version, 1) + _string("e2e")
        message = header + body
        with socket.create_connection(self.address, TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(message)) + message)
            (length,) = struct.unpack(">i", _receive(connection, 4))
            answer = _Answer(_receive(connection, length))
        answer.int32()  # correlation id
        return answer

    def topics(self, prefix=""):
        """{name: number of partitions} of the topics that begin with `prefix`, internal ones left out."""
        answer = self._ask(METADATA, 1, struct.pack(">i", -1))
        answer.array(lambda: (answer.int32(), answer.string(), answer.int32(), answer.string()))  # brokers
        answer.int32()  # controller

        def partition():
            fields = answer.int16(), answer.int32(), answer.int32()
            answer.array(answer.int32)  # replicas
            answer.array(answer.int32)  # in sync
            return fields

        def topic():
            answer.int16()
            return answer.string(), answer.number("?"), answer.array(partition)

        return {
            name: len(partitions)
            for name, internal, partitions in answer.array(topic)
            if not internal and name.startswith(prefix)
        }

    def end_offsets(self, topic, partitions):
        """The offset that the next message of each partition will get."""
        asked = _array([struct.pack(">iq", number, LATEST) for number in range(partitions)])
        answer = self._ask(LIST_OFFSETS, 1, struct.pack(">i", -1) + _array([_string(topic) + asked]))
        ends = {}

        def partition():
            number, error = answer.int32(), answer.int16()
            answer.int64()  # timestamp
            ends[number] = answer.int64()
            if error:
                raise KafkaError("%s:%d: error %d" % (topic, number, error))

        answer.array(lambda: (answer.string(), answer.array(partition)))
        return [ends[number] for number in range(partitions)]

    def groups(self, prefix=""):
        answer = self._ask(LIST_GROUPS, 0, b"")
        if answer.int16():
            raise KafkaError("cannot list the groups")
        names = answer.array(lambda: (answer.string(), answer.string())[0])
        return sorted(name for name in names if name.startswith(prefix))

    def delete_topics(self, names):
        if not names:
            return
        body = _array([_string(name) for name in names]) + struct.pack(">i", TIMEOUT_S * 1000)
        answer = self._ask(DELETE_TOPICS, 1, body)
        answer.int32()  # throttled for
        self._check(answer, UNKNOWN_TOPIC)

    def create_topic(self, name, partitions):
        body = _array([_string(name) + struct.pack(">ih", partitions, 1) + _array([]) + _array([])])
        answer = self._ask(CREATE_TOPICS, 2, body + struct.pack(">i?", TIMEOUT_S * 1000, False))
        answer.int32()  # throttled for
        for topic, error, text in answer.array(lambda: (answer.string(), answer.int16(), answer.string())):
            if error:
                raise KafkaError("%s: %s" % (topic, text))

    def delete_records(self, topic, partition, offset):
        """Removes what lies before an offset, as retention would."""
        body = _array([_string(topic) + _array([struct.pack(">iq", partition, offset)])])
        answer = self._ask(DELETE_RECORDS, 0, body + struct.pack(">i", TIMEOUT_S * 1000))
        answer.int32()  # throttled for

        def of_partition():
            number, _, error = answer.int32(), answer.int64(), answer.int16()
            if error:
                raise KafkaError("%s:%d: error %d" % (topic, number, error))

        answer.array(lambda: (answer.string(), answer.array(of_partition)))

    def set_topic(self, topic, name, value):
        """Sets a topic's configuration, as `kafka-configs --alter` does."""
        config = _array([_string(name) + struct.pack(">b", SET) + _string(str(value))])
        body = _array([struct.pack(">b", TOPIC) + _string(topic) + config])
        answer = self._ask(ALTER_CONFIGS, 0, body + struct.pack(">?", False))
        answer.int32()  # throttled for

        def resource():
            fields = answer.int16(), answer.string()
            answer.number("b"), answer.string()
            return fields

        for error, text in answer.array(resource):
            if error:
                raise KafkaError("%s: %s=%s: %s" % (topic, name, value, text))

    def produce(self, topic, partition, key, value):
        """Writes a message as any client could, and returns its offset."""
        records = kafka_records.batch(key, value)
        of_partition = struct.pack(">ii", partition, len(records)) + records
        body = struct.pack(">hhi", -1, -1, TIMEOUT_S * 1000)  # no transaction, all in-sync replicas
        answer = self._ask(PRODUCE, 3, body + _array([_string(topic) + _array([of_partition])]))
        offsets = []

        def partition_answer():
            number, error = answer.int32(), answer.int16()
            offsets.append(answer.int64())
            answer.int64()  # timestamp
            if error:
                raise KafkaError("%s:%d: error %d" % (topic, number, error))

        answer.array(lambda: (answer.string(), answer.array(partition_answer)))
        return offsets[0]

    def delete_groups(self, names):
        """Those whose members were killed just now stay: the broker forgets them by itself."""
        if not names:
            return
        answer = self._ask(DELETE_GROUPS, 0, _array([_string(name) for name in names]))
        answer.int32()  # throttled for
        self._check(answer, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND)

    def _check(self, answer, *accepted):
        results = answer.array(lambda: (answer.string(), answer.int16()))
        wrong = ["%s: error %d" % result for result in results if result[1] not in (0, *accepted)]
        if wrong:
            raise KafkaError("; ".join(wrong))
