import { createRequire } from 'node:module'
import { authenticated, inNamespace } from '@countersign/core'
import { allow, countersign, createServer } from '@countersign/express'
import * as fastify from '@countersign/fastify'
import express from 'express'
import Fastify from 'fastify'
import { call, checkMistakes, create, guard } from './mistakes.ts'

const require = createRequire(import.meta.url)
const express4: unknown = require('express4')

checkMistakes([
  [
    'createServer with its arguments swapped',
    () => call(createServer, express(), guard),
    'option_invalid',
    /createServer: found an Express application; expected .*createServer\(guard, app\)/,
  ],
  [
    'createServer without an application',
    () => call(createServer, guard),
    'option_invalid',
    /createServer: found undefined; expected an Express application/,
  ],
  [
    'createServer with two guards',
    () => call(createServer, guard, create()),
    'option_invalid',
    /createServer: found a second guard/,
  ],
  [
    'createServer with a Fastify instance',
    () => call(createServer, guard, Fastify()),
    'option_invalid',
    /createServer: found a Fastify instance/,
  ],
  [
    'createServer with express itself',
    () => call(createServer, guard, express),
    'option_invalid',
    /found express, which was not called/,
  ],
  [
    'createServer with a guard in an object',
    () => call(createServer, { guard }, express()),
    'option_invalid',
    /found \{ guard \}; expected the guard itself/,
  ],
  [
    'createServer with an application of Express 4',
    () => call(createServer, guard, call(express4)),
    'registration_invalid',
    /Express 4.*Express 5/,
  ],
  [
    'countersign() without a guard',
    () => call(countersign),
    'option_invalid',
    /countersign: found undefined; .*app\.use\(countersign\(guard\)\)/,
  ],
  [
    'countersign({ guard })',
    () => call(countersign, { guard }),
    'option_invalid',
    /countersign: found \{ guard \}; expected the guard itself/,
  ],
  [
    'countersign of Express on Fastify',
    () => call(countersign, Fastify(), { guard }),
    'option_invalid',
    /@countersign\/fastify/,
  ],
  [
    'countersign with a guard that was not awaited',
    () => call(countersign, Promise.resolve(guard)),
    'option_invalid',
    /a promise/,
  ],
  [
    'countersign as a middleware',
    () => call(countersign, { url: '/', headers: {} }, {}, () => undefined),
    'option_invalid',
    /mounted without being called/,
  ],
  [
    'allow() of two requirements',
    () => call(allow, authenticated(), inNamespace('a')),
    'option_invalid',
    /allow: found an object as a second argument.*allOf/,
  ],
  [
    'allow as a middleware',
    () => call(allow, { url: '/' }, {}, () => undefined),
    'option_invalid',
    /without being called/,
  ],
  [
    'allow() of a function',
    () => call(allow, authenticated),
    'option_invalid',
    /allow: found the function authenticated/,
  ],
  [
    'countersign(guard) of Fastify',
    () => call(fastify.countersign, guard),
    'registration_invalid',
    /found a guard, expected await app\.register\(countersign, \{ guard \}\)/,
  ],
  ['countersign() of Fastify', () => call(fastify.countersign), 'registration_invalid', /found undefined/],
  [
    'countersign(app, options) of Fastify',
    () => call(fastify.countersign, Fastify(), { guard }),
    'registration_invalid',
    /found a direct call of countersign\(\)/,
  ],
  [
    'allow() of two requirements, Fastify',
    () => call(fastify.allow, authenticated(), inNamespace('a')),
    'option_invalid',
    /allow: found an object as a second/,
  ],
])
