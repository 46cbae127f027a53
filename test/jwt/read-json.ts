import assert from 'node:assert/strict'
import { isRecord } from '@countersign/spiffe/options'

export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(isRecord(value))
  return value
}

export function readList(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value))
  return value
}

export function readText(value: unknown): string {
  assert.ok(typeof value === 'string')
  return value
}
