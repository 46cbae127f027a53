import assert from 'node:assert/strict'
import type { Guard, X509Source } from '@countersign/core'

/** Reads a property of something that was loaded, received or parsed. */
export function read(value: unknown, name: string): unknown {
  return Reflect.get(asObject(value), name)
}

/** The same for a function. */
export function readFunction(value: unknown, name: string): (...given: readonly unknown[]) => unknown {
  const found = read(value, name)
  assert.ok(isFunction(found), `${name} is no function`)
  return found
}

/** An object from JSON. */
export function parseObject(json: string): object {
  return asObject(JSON.parse(json))
}

/** A value that must be an object. */
export function asObject(value: unknown): object {
  assert.ok(typeof value === 'object' && value !== null)
  return value
}

/** Returns whether a value that a block exports is a source. */
export function isSource(value: unknown): value is X509Source {
  return typeof value === 'object' && value !== null && 'onUpdate' in value
}

/** Returns whether a value that a block exports is a guard. */
export function isGuard(value: unknown): value is Guard {
  return typeof value === 'object' && value !== null && 'explain' in value
}

function isFunction(value: unknown): value is (...given: readonly unknown[]) => unknown {
  return typeof value === 'function'
}
