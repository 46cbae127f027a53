import { compileFrom, type FromContext, type FromTests } from './from-tests.ts'
import { createHeaderTests } from './facts-tests.ts'
import { type FieldTest, outcomeOf } from './field-test.ts'
import type { Policy } from './policy.ts'
import { compileTo, type ToTests } from './to-tests.ts'

/** A validated policy. */
export interface CompiledPolicy {
  /** The position in the set, from 0. */
  readonly index: number
  readonly name: string
  readonly action: Policy['action']
  /** Epoch milliseconds: the policy is in audit mode until then. Undefined if it is enforced. */
  readonly auditUntil: number | undefined
  readonly isBreakGlass: boolean
  /** True if it reads more of a request than its caller, method and path. */
  readonly readsFacts: boolean
  readonly source: Policy
  readonly tests: PolicyTests
}

/** The tests of a policy: one entry of `from`, one of `to`, and all further tests have to match. */
interface PolicyTests {
  /** Undefined if the policy has no such field. */
  readonly from: readonly FromTests[] | undefined
  /** Undefined if the policy has no such field. */
  readonly to: readonly ToTests[] | undefined
  readonly conditions: readonly FieldTest[]
}

/** Compiles a parsed policy. */
export function compilePolicy(source: Policy, index: number, context: FromContext): CompiledPolicy {
  const { name, action, audit, breakGlass, from, to } = source
  return Object.freeze({
    index,
    name,
    action,
    auditUntil: audit === undefined ? undefined : Date.parse(audit.until),
    isBreakGlass: breakGlass === true,
    readsFacts: readsFacts(source),
    source,
    tests: {
      from: from?.map((entry, place) => compileFrom(entry, `from[${place}]`, action, context)),
      to: to?.map((entry, place) => compileTo(entry, `to[${place}]`, action)),
      conditions: compileConditions(source),
    },
  })
}

/** Returns the name of a policy for messages. */
export function describePolicy({ name, source: { declaredAt } }: CompiledPolicy): string {
  return declaredAt === undefined ? `policy '${name}'` : `policy '${name}' (${declaredAt})`
}

function readsFacts({ from, to, when }: Policy): boolean {
  return (
    when !== undefined ||
    from?.some((entry) => factsOfFrom.some((field) => entry[field] !== undefined)) === true ||
    to?.some((entry) => factsOfTo.some((field) => entry[field] !== undefined)) === true
  )
}

const factsOfFrom = ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const
const factsOfTo = ['hosts', 'notHosts', 'ports', 'notPorts'] as const

function compileConditions({ when, maxLifetime, action }: Policy): readonly FieldTest[] {
  return [
    ...(maxLifetime === undefined ? [] : [createLifetimeTest(Number(maxLifetime))]),
    ...(when ?? []).flatMap((condition, place) => createHeaderTests(condition, `when[${place}]`, action)),
  ]
}

function createLifetimeTest(longest: number): FieldTest {
  return {
    field: 'maxLifetime',
    test: ({ principal }) => {
      const lifetime = principal?.lifetime
      return outcomeOf(lifetime !== undefined && lifetime <= longest)
    },
    describe: ({ principal }) => {
      const lifetime = principal?.lifetime
      const found =
        lifetime === undefined ? 'the caller has no certificate' : `the certificate is valid for ${lifetime} ms`
      return `${found}, expected one that is valid for at most ${longest} ms`
    },
  }
}
