import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticated, type ConfigurationErrorCode, createGuard, type Guard } from '@countersign/core'
import { type Authority, createAuthority, type TestSource } from '@countersign/testkit'
import { refusal } from '../adapters/refusal.ts'

/** A mistake, how to make it, and what the error must say. */
export type Mistake = readonly [what: string, run: () => unknown, code: ConfigurationErrorCode, named: RegExp]

export const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
export const authority: Authority = await createAuthority('saas.example')
export const source: TestSource = await authority.source('spiffe://saas.example/ns/production/sa/billing')
export const rules = [{ path: '/**', allow: authenticated() }]
export const guard: Guard = create()

/** Another guard of the same source. */
export function create(): Guard {
  return createGuard({ source, rules, log: () => undefined })
}

/** Calls a function as untyped code would. */
export function call(run: unknown, ...given: readonly unknown[]): unknown {
  assert.ok(typeof run === 'function')
  return Reflect.apply(run, undefined, given)
}

/** Calls a method of an object in the same way. */
export function callMethod(owner: object, name: string, ...given: readonly unknown[]): unknown {
  const run: unknown = Reflect.get(owner, name)
  assert.ok(typeof run === 'function')
  return Reflect.apply(run, owner, given)
}

/** Creates a test for each mistake. */
export function checkMistakes(mistakes: readonly Mistake[]): void {
  for (const [what, run, code, named] of mistakes) {
    test(`says what was found and what was expected for ${what}`, async () => {
      await assert.rejects(
        async () => {
          await run()
        },
        refusal(code, named),
      )
    })
  }
}
