import type { TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { authority, coreApi, guard, source } from './mistakes.ts'

/** An argument of a public function, or an option: how to pass it, and the kinds that it accepts. */
export interface Parameter {
  /** The exported function, or `class.method`, followed by a space and the argument or option. */
  readonly name: string
  readonly give: (value: unknown) => unknown
  readonly accepts: readonly string[]
}

export const svid: TestSvid = await authority.issue(coreApi)

/** Values of every kind that is passed by mistake. */
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

/** Values that are valid as options that are all optional. */
export const optional = 'undefined object instance'

/** An argument that accepts these kinds, by their names separated by spaces. */
export function parameter(name: string, accepts: string, give: (value: unknown) => unknown): Parameter {
  return { name, accepts: accepts.split(' '), give }
}

/** The options of an otherwise valid object, each by its name and accepted kinds. */
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
