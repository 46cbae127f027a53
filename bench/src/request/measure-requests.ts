import { interleave, type Plan } from '../measure/interleave.ts'
import type { Progress } from '../measure/progress.ts'
import { ratioOf, spreadOf } from '../measure/spread.ts'
import type { Budget, Table } from '../report/result.ts'
import { type Check, usesAdapter } from '../subject.ts'
import { type Identities, issueIdentities } from '../workload.ts'
import type { RequestCase } from './request-case.ts'
import { startRequestSubject } from './request-subject.ts'

/** The server's processor time per request on kept connections. */
export async function* measureRequests(progress: Progress): AsyncGenerator<Table> {
  const identities = await issueIdentities()
  for (const comparison of comparisons) yield await compare(comparison, identities, progress)
}

/** The first two comparisons, with few rounds and without the alternatives. */
export async function* measureFewRequests(progress: Progress): AsyncGenerator<Table> {
  const identities = await issueIdentities()
  for (const comparison of comparisons.slice(0, 2)) {
    yield await compare({ ...comparison, subjects: [bare, guarded], plan: quick }, identities, progress)
  }
}

/** Servers that are measured in turns, compared with the first one. */
interface Comparison {
  readonly title: string
  readonly note?: string
  readonly base: Omit<RequestCase, 'check'>
  readonly subjects: readonly (Partial<RequestCase> & { readonly what: string; readonly check: Check })[]
  /** The number of requests per turn. */
  readonly requests: number
  readonly plan: Plan
}

const usual = { http: 1, connections: 16, rules: 3, isAllowed: true, logs: false } as const
const fastify = { framework: 'Fastify', ...usual } as const
const express = { framework: 'Express', ...usual } as const

const bare = { what: 'bare', check: 'none' } as const
const guarded = { what: 'Countersign', check: 'countersign' } as const
const narrowed = { what: "Countersign, with the route's allow", check: 'countersign and allow' } as const
const handwritten = { what: 'hand-written check', check: 'handwritten' } as const

// Two processes of one program differ by up to 10 %, more than what is measured: many processes, and few rounds of each.
const long: Plan = { generations: 10, warmUp: 5, rounds: 3, turns: 6 }
const short: Plan = { generations: 5, warmUp: 5, rounds: 4, turns: 6 }
// Warmed up almost as long as the others, because a server whose code is not compiled yet performs differently.
const quick: Plan = { generations: 10, warmUp: 5, rounds: 2, turns: 6 }

const comparisons: readonly Comparison[] = [
  {
    title: 'Fastify: HTTP/1.1, 16 connections, 3 rules, allowed',
    base: fastify,
    subjects: [bare, guarded, narrowed, handwritten],
    requests: 400,
    plan: long,
  },
  {
    title: 'Express: HTTP/1.1, 16 connections, 3 rules, allowed',
    base: express,
    subjects: [
      bare,
      guarded,
      narrowed,
      handwritten,
      { what: 'client-certificate-auth', check: 'client-certificate-auth' },
      { what: 'passport-client-cert', check: 'passport-client-cert' },
      { what: 'authorization-for-expressjs (Cedar)', check: 'cedar-authorization' },
    ],
    requests: 200,
    plan: long,
  },
  {
    title: 'Fastify: HTTP/2',
    note: 'As above except for the protocol; 16 sessions, one stream at a time on each. Express 5 does not support HTTP/2.',
    base: { ...fastify, http: 2 },
    subjects: [bare, guarded, handwritten],
    requests: 200,
    plan: short,
  },
  {
    title: 'Fastify: 256 connections',
    base: { ...fastify, connections: 256 },
    subjects: [bare, guarded],
    requests: 1024,
    plan: { ...short, turns: 4 },
  },
  {
    title: 'Express: 256 connections',
    base: { ...express, connections: 256 },
    subjects: [bare, guarded],
    requests: 512,
    plan: { ...short, turns: 4 },
  },
  {
    title: 'Fastify: number of rules',
    note: 'Without rules each route decides for itself (`perRoute()`).',
    base: fastify,
    subjects: [
      bare,
      { ...guarded, what: '0 rules', rules: 0 },
      { ...guarded, what: '1,000 rules', rules: 1000 },
      { ...guarded, what: '10,000 rules', rules: 10_000 },
    ],
    requests: 400,
    plan: short,
  },
  {
    title: 'Express: number of rules',
    note: 'Express does not expose its routes, so they cannot decide for themselves.',
    base: express,
    subjects: [
      bare,
      { ...guarded, what: '1,000 rules', rules: 1000 },
      { ...guarded, what: '10,000 rules', rules: 10_000 },
    ],
    requests: 200,
    plan: short,
  },
  {
    title: 'Fastify: denied',
    note: 'The bare server answers 403 with a body of the same size. By default a denial is a line of JSON on standard error.',
    base: { ...fastify, isAllowed: false },
    subjects: [bare, guarded, { ...guarded, what: 'Countersign, with its log', logs: true }],
    requests: 400,
    plan: short,
  },
  {
    title: 'Express: denied',
    base: { ...express, isAllowed: false },
    subjects: [bare, guarded, { ...guarded, what: 'Countersign, with its log', logs: true }],
    requests: 200,
    plan: short,
  },
]

async function compare(comparison: Comparison, identities: Identities, progress: Progress): Promise<Table> {
  const { title, note, base, subjects, requests, plan } = comparison
  const times = await interleave(
    subjects.map(({ what }) => what),
    (name) => {
      const { check = 'none', ...rest } = subjects.find(({ what }) => what === name) ?? {}
      return startRequestSubject({ ...base, ...rest, check }, identities, requests)
    },
    plan,
    progress.count(title),
  )
  const none = times[bare.what] ?? []
  const rows = subjects.map((subject) => {
    const { what, check } = subject
    const own = times[what] ?? []
    const figure = { what, unit: 'µs', spread: spreadOf(own) } as const
    if (what === bare.what) return figure
    const ratio = ratioOf(own, none)
    if (!usesAdapter(check) || !base.isAllowed) return { ...figure, ratio }
    const budget: Budget = {
      line: 'server CPU per request, keep-alive mTLS',
      what: what === guarded.what ? title : `${base.framework}: ${what}`,
      most: 1.05,
      of: 'ratio',
    }
    return { ...figure, ratio, budget }
  })
  return { title, against: bare.what, ...(note !== undefined && { note }), rows }
}
