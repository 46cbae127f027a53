import { bool, bytes, double, enumeration, message, type MessageType, text } from './message-codec.ts'

/*
 * The messages of the Workload API as in proto/workload.proto. They are in code so that no file must be found at
 * runtime.
 */

const x509Svid: MessageType = [
  { number: 1, name: 'spiffe_id', kind: text },
  { number: 2, name: 'x509_svid', kind: bytes },
  { number: 3, name: 'x509_svid_key', kind: bytes },
  { number: 4, name: 'bundle', kind: bytes },
  { number: 5, name: 'hint', kind: text },
]

const jwtSvid: MessageType = [
  { number: 1, name: 'spiffe_id', kind: text },
  { number: 2, name: 'svid', kind: text },
  { number: 3, name: 'hint', kind: text },
]

/** The messages without fields. */
export const emptyRequest: MessageType = []

/** §5.2.1 of the SPIFFE Workload API. */
export const x509SvidResponse: MessageType = [
  { number: 1, name: 'svids', kind: message(() => x509Svid), is: 'list' },
  { number: 2, name: 'crl', kind: bytes, is: 'list' },
  { number: 3, name: 'federated_bundles', kind: bytes, is: 'map' },
]

/** §5.2.2. */
export const x509BundlesResponse: MessageType = [
  { number: 1, name: 'crl', kind: bytes, is: 'list' },
  { number: 2, name: 'bundles', kind: bytes, is: 'map' },
]

/** §6.2.1. */
export const jwtSvidRequest: MessageType = [
  { number: 1, name: 'audience', kind: text, is: 'list' },
  { number: 2, name: 'spiffe_id', kind: text },
]

/** §6.2.1. */
export const jwtSvidResponse: MessageType = [{ number: 1, name: 'svids', kind: message(() => jwtSvid), is: 'list' }]

/** §6.2.2. */
export const jwtBundlesResponse: MessageType = [{ number: 1, name: 'bundles', kind: bytes, is: 'map' }]

/** §6.2.3. */
export const validateJwtSvidRequest: MessageType = [
  { number: 1, name: 'audience', kind: text },
  { number: 2, name: 'svid', kind: text },
]

/** §6.2.3. */
export const validateJwtSvidResponse: MessageType = [
  { number: 1, name: 'spiffe_id', kind: text },
  { number: 2, name: 'claims', kind: message(() => struct) },
]

// google.protobuf.Struct, with the names of its JSON form.
const struct: MessageType = [{ number: 1, name: 'fields', kind: message(() => structValue), is: 'map' }]

const structValue: MessageType = [
  { number: 1, name: 'nullValue', kind: enumeration, is: 'choice' },
  { number: 2, name: 'numberValue', kind: double, is: 'choice' },
  { number: 3, name: 'stringValue', kind: text, is: 'choice' },
  { number: 4, name: 'boolValue', kind: bool, is: 'choice' },
  { number: 5, name: 'structValue', kind: message(() => struct), is: 'choice' },
  { number: 6, name: 'listValue', kind: message(() => structList), is: 'choice' },
]

const structList: MessageType = [{ number: 1, name: 'values', kind: message(() => structValue), is: 'list' }]
