import assert from 'node:assert/strict'

/** A property of something that was loaded, received or parsed. */
export function read(value: unknown, name: string): unknown {
  return Reflect.get(asObject(value), name)
}

/** The same for a function. */
export function readFunction(value: unknown, name: string): (...given: readonly unknown[]) => unknown {
  const found = read(value, name)
  assert.ok(isFunction(found), `${name} is no function`)
  return found
}

/** An object out of JSON. */
export function parseObject(json: string): object {
  return asObject(JSON.parse(json))
}

/** A value that has to be an object. */
export function asObject(value: unknown): object {
  assert.ok(typeof value === 'object' && value !== null)
  return value
}

function isFunction(value: unknown): value is (...given: readonly unknown[]) => unknown {
  return typeof value === 'function'
}
