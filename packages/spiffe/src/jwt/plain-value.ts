import type { JsonObject, JsonValue } from '../trust/strict-json.ts'

/** Returns a JSON object as a frozen plain object, with numbers as `JSON.parse` returns them. */
export function toPlainValue(object: JsonObject): Readonly<Record<string, unknown>> {
  // `Object.fromEntries` defines properties, so that `__proto__` is an ordinary name.
  return Object.freeze(Object.fromEntries([...object].map(([name, value]) => [name, convert(value)])))
}

function convert(value: JsonValue): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  return isList(value) ? Object.freeze(value.map(convert)) : toPlainValue(value)
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value)
}
