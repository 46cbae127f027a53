import {
  CedarInlineAuthorizationEngine,
  ExpressAuthorizationMiddleware,
} from '@cedar-policy/authorization-for-expressjs'
import clientCertificateAuth from 'client-certificate-auth'
import type { RequestHandler } from 'express'
import passport from 'passport'
import { Strategy } from 'passport-client-cert'
import { isListed, isListedName, readSpiffeId } from './handwritten-check.ts'
import type { Check } from './subject.ts'
import { callerId, path } from './workload.ts'

/** The middleware of an alternative to Countersign, used as documented; all check the same list. */
export function checkExpress(check: Check): RequestHandler | undefined {
  return middlewares[check]?.()
}

const middlewares: Readonly<Partial<Record<Check, () => RequestHandler>>> = {
  handwritten: () => (request, response, next) => {
    if (isListed(request.socket, request.path)) next()
    else response.status(403).json({ title: 'Forbidden' })
  },
  'client-certificate-auth': () =>
    clientCertificateAuth(({ subjectaltname = '' }) => isListedName(subjectaltname, path)),
  'passport-client-cert': () => {
    passport.use(
      new Strategy(({ subjectaltname = '' }, done) => {
        done(null, isListedName(subjectaltname, path) ? { name: subjectaltname } : false)
      }),
    )
    return toHandler(passport.authenticate('client-cert', { session: false }))
  },
  'cedar-authorization': () => {
    const { middleware } = new ExpressAuthorizationMiddleware({
      schema,
      authorizationEngine: new CedarInlineAuthorizationEngine({ staticPolicies, schema }),
      principalConfiguration: {
        type: 'custom',
        getPrincipalEntity: ({ socket }) =>
          Promise.resolve({ uid: { type: 'Bench::Workload', id: readSpiffeId(socket) ?? '' }, attrs: {}, parents: [] }),
      },
    })
    return toHandler(middleware)
  },
}

const action = `GET ${path}`
const staticPolicies = `permit(principal == Bench::Workload::"${callerId}", action == Bench::Action::"${action}", resource);`
const schema = {
  type: 'jsonString',
  schema: JSON.stringify({
    Bench: {
      annotations: { mappingType: 'SimpleRest' },
      entityTypes: { Workload: {}, Application: {} },
      actions: {
        [action]: {
          annotations: { httpVerb: 'get', httpPathTemplate: path },
          appliesTo: { principalTypes: ['Workload'], resourceTypes: ['Application'] },
        },
      },
    },
  }),
} as const

// Their types differ from Express's: passport's returns `any`, Cedar's a promise.
function toHandler(middleware: unknown): RequestHandler {
  if (typeof middleware !== 'function') throw new Error('found no function, expected middleware')
  return (request, response, next) => void Reflect.apply(middleware, undefined, [request, response, next])
}
