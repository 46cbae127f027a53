import type { TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { authority, coreApi, guard, source } from './mistakes.ts'

/** One argument of a public function, or one option: how to give it, and the kinds that it may be. */
export interface Parameter {
  /** The function as it is exported, or `class.method`; behind a space which argument or option. */
  readonly name: string
  readonly give: (value: unknown) => unknown
  readonly accepts: readonly string[]
}

export const svid: TestSvid = await authority.issue(coreApi)

/** Values of every kind that is given by mistake. */
export const kinds: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  true: true,
  number: 42,
  text: 'text',
  list: [],
  listOfNull: [null],
  object: {},
  function: () => undefined,
  class: class Mistake {
    readonly field = 1
  },
  instance: Object.create({ inherited: true }),
  promise: Promise.resolve({}),
  map: new Map(),
  symbol: Symbol('mistake'),
  bytes: Buffer.from('abc'),
  guard,
  source,
  express: express(),
  fastify: Fastify(),
  svid,
}

/** What passes for options that may all be left out. */
export const optional = 'undefined object instance'

/** An argument that may be of these kinds, by their names with spaces between. */
export function parameter(name: string, accepts: string, give: (value: unknown) => unknown): Parameter {
  return { name, accepts: accepts.split(' '), give }
}

/** The options of an object that is otherwise right, each by its name and what it may be. */
export function optionsOf(
  name: string,
  right: object,
  give: (options: object) => unknown,
  accepts: Readonly<Record<string, string>>,
): readonly Parameter[] {
  return Object.entries(accepts).map(([option, kind]) =>
    parameter(`${name} ${option}`, kind, (value) => give({ ...right, [option]: value })),
  )
}
