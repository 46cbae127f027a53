import { isRecord } from '@countersign/spiffe/options'
import { refuseMessage } from './refuse-message.ts'

/**
 * Converts a decoded google.protobuf.Struct to the JSON object that it represents.
 *
 * @throws {SourceError} `message_malformed` for any other value
 * @see https://protobuf.dev/reference/protobuf/google.protobuf/#struct
 */
export function parseStruct(value: unknown, where: string): Readonly<Record<string, unknown>> {
  const fields = isRecord(value) ? value['fields'] : undefined
  if (!isRecord(fields)) return refuseMessage(`${where}: found no struct, expected one`)
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, parseValue(field, where)]))
}

function parseValue(value: unknown, where: string): unknown {
  // A oneof: the decoded value has only the kind that is set.
  const [kind, content] = isRecord(value) ? (Object.entries(value)[0] ?? []) : []
  switch (kind) {
    case 'numberValue':
    case 'stringValue':
    case 'boolValue':
      return content
    case 'nullValue':
      return null
    case 'structValue':
      return parseStruct(content, where)
    case 'listValue': {
      const values = isRecord(content) ? content['values'] : undefined
      if (Array.isArray(values)) return values.map((entry) => parseValue(entry, where))
      return refuseMessage(`${where}: found no list, expected one`)
    }
    case undefined:
    default:
      return refuseMessage(`${where}: found a value without a kind, expected a google.protobuf.Value`)
  }
}
