import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { channel } from 'node:diagnostics_channel'
import { channels, type DecisionEvent } from '@countersign/core'
import { isRecord } from '@countersign/spiffe/options'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import schema from '@countersign/core/decision-log.schema.json' with { type: 'json' }

export type Line = Readonly<Record<string, unknown>>

export const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`

/** Creates a folder that is removed after the test. */
export function createFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'decision-log-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Reads the lines of a file, and checks each of them against the schema. */
export function readLines(path: string): readonly Line[] {
  return parseLines(readFileSync(path, 'latin1'))
}

/** Parses text as lines of a decision log, and checks each of them against the schema. */
export function parseLines(text: string): readonly Line[] {
  assert.match(text, /^(?:[ -~]+\n)*$/, 'only lines of printable ASCII')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const value: unknown = JSON.parse(line)
      assert.ok(isRecord(value))
      assert.ok(validate(value), `${line}: ${JSON.stringify(validate.errors)}`)
      return value
    })
}

/** The published schema, which also refuses fields that it does not describe. */
const validate: ValidateFunction = new Ajv2020({ allowUnionTypes: true, strictRequired: false }).compile(close(schema))

function close(value: unknown): Record<string, unknown> {
  assert.ok(isRecord(value))
  const entries = Object.entries(value).map(([key, each]) => [key, isRecord(each) ? close(each) : each] as const)
  const closed = Object.fromEntries(entries)
  return value['type'] === 'object' ? { ...closed, unevaluatedProperties: false } : closed
}

/** Publishes a decision as a guard does. */
export function publish(event: Readonly<Record<string, unknown>>): void {
  channel(channels.decision).publish({ type: 'decision', at, method: 'GET', path: '/', ...event })
}

/** Epoch milliseconds of published decisions. */
export const at: number = Date.parse('2026-11-28T06:00:00.250Z')

export const allowed: Pick<DecisionEvent, 'effect' | 'principal' | 'rule'> = {
  effect: 'allow',
  principal: idOf('mailer'),
  rule: 1,
}

export const denied: Readonly<Record<string, unknown>> = {
  effect: 'deny',
  id: 'a1f0a4d2-0000-4000-8000-000000000000',
  status: 403,
  code: 'access_denied',
  reason: 'authority_missing',
  detail: 'found secrets, expected none',
}
