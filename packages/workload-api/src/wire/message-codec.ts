import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { isRecord } from '@countersign/spiffe/options'

/** The fields of a message, with the names in the standard. */
export type MessageType = readonly Field[]

/** One field of a message (https://protobuf.dev/programming-guides/encoding/). */
interface Field {
  readonly number: number
  readonly name: string
  readonly kind: Kind
  /** At most one `choice` field of a message is set. The keys of a `map` are text. Default: one value. */
  readonly is?: 'list' | 'map' | 'choice'
}

/** How one value is encoded. */
interface Kind {
  readonly wireType: WireType
  /** The value of a field that is omitted. */
  readonly empty: unknown
  readonly read: (reader: BinaryReader, depth: number) => unknown
  readonly write: (writer: BinaryWriter, value: unknown) => void
}

export const text: Kind = {
  wireType: WireType.LengthDelimited,
  empty: '',
  read: (reader) => reader.string(true),
  write: (writer, value) => writer.string(String(value)),
}

export const bytes: Kind = {
  wireType: WireType.LengthDelimited,
  empty: Buffer.alloc(0),
  // A copy, so that a key is in memory only once and the rest of the message is released.
  read: (reader) => Buffer.from(reader.bytes()),
  write: (writer, value) => writer.bytes(value instanceof Uint8Array ? value : refuse('no bytes')),
}

export const double: Kind = {
  wireType: WireType.Bit64,
  empty: 0,
  read: (reader) => reader.double(),
  write: (writer, value) => writer.double(Number(value)),
}

export const bool: Kind = {
  wireType: WireType.Varint,
  empty: false,
  read: (reader) => reader.bool(),
  write: (writer, value) => writer.bool(value === true),
}

export const enumeration: Kind = {
  wireType: WireType.Varint,
  empty: 0,
  read: (reader) => reader.int32(),
  write: (writer, value) => writer.int32(Number(value)),
}

/** Returns the kind of a nested message. The type is a function because messages can refer to each other. */
export function message(typeOf: () => MessageType): Kind {
  return {
    wireType: WireType.LengthDelimited,
    empty: null,
    read: (reader, depth) => decode(typeOf(), reader.bytes(), depth + 1),
    write: (writer, value) => writer.bytes(encodeMessage(typeOf(), value)),
  }
}

/**
 * Decodes a message. Omitted fields get their default, except for choices. Fields with unknown numbers are skipped, as
 * the format requires. If a single field is repeated, the last value counts.
 *
 * @throws {Error} for bytes that are not a message of this type
 */
export function decodeMessage(type: MessageType, encoded: Uint8Array): Readonly<Record<string, unknown>> {
  return decode(type, encoded, 0)
}

/** Encodes a message. Fields without a value are omitted. */
export function encodeMessage(type: MessageType, value: unknown): Buffer {
  const writer = new BinaryWriter()
  const values = isRecord(value) ? value : refuse('no message')
  for (const { name, number, kind, is } of type) {
    const found = values[name]
    if (found === undefined || found === null) continue
    const write = (one: unknown): void => kind.write(writer.tag(number, kind.wireType), one)
    if (is === 'list') for (const one of Array.isArray(found) ? found : refuse(`${name}: no list`)) write(one)
    else if (is === 'map') {
      for (const [key, one] of Object.entries(found)) {
        const entry = new BinaryWriter()
        text.write(entry.tag(1, text.wireType), key)
        // Written even if empty, because some decoders have no default here.
        kind.write(entry.tag(2, kind.wireType), one)
        writer.tag(number, WireType.LengthDelimited).bytes(entry.finish())
      }
    } else if (is === 'choice' || !isEmpty(found)) write(found)
  }
  return Buffer.from(writer.finish())
}

function decode(type: MessageType, encoded: Uint8Array, depth: number): Readonly<Record<string, unknown>> {
  // The limit that other implementations use. A deeply nested message could otherwise exhaust the stack.
  if (depth > 100) refuse('messages nested more than 100 levels deep')
  const reader = new BinaryReader(encoded)
  const lists = new Map<Field, unknown[]>()
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const field = type.find((each) => each.number === number)
    if (field === undefined) {
      reader.skip(wireType, number)
      continue
    }
    const kind = field.is === 'map' ? message(() => entryOf(field.kind)) : field.kind
    if (wireType !== kind.wireType) refuse(`${field.name}: wire type ${wireType}`)
    if (field.is === 'choice') for (const each of type) lists.delete(each)
    const list = lists.get(field) ?? []
    lists.set(field, list)
    list.push(kind.read(reader, depth))
  }
  return Object.fromEntries(
    type.flatMap((field) => {
      const list = lists.get(field) ?? []
      return field.is === 'choice' && list.length === 0 ? [] : [[field.name, collect(field, list)]]
    }),
  )
}

function collect({ is, kind }: Field, list: readonly unknown[]): unknown {
  if (is === 'list') return list
  if (is !== 'map') return list.length === 0 ? kind.empty : list.at(-1)
  // `fromEntries` defines own properties, even for `__proto__`.
  return Object.fromEntries(list.flatMap((entry) => (isRecord(entry) ? [[String(entry['key']), entry['value']]] : [])))
}

function entryOf(value: Kind): MessageType {
  return [
    { number: 1, name: 'key', kind: text },
    { number: 2, name: 'value', kind: value },
  ]
}

function isEmpty(value: unknown): boolean {
  return value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0)
}

function refuse(found: string): never {
  throw new TypeError(`found ${found}, expected a message of the Workload API`)
}
