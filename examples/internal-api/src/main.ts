const given = process.argv.slice(2)
if (given.length === 0) {
  // Printed before everything else is loaded, which takes a while on the first run.
  console.log('Ten callers, valid and invalid, call two services over mTLS: one on Fastify, the same on Express.\n')
  const { demonstrate } = await import('./demonstrate.ts')
  process.exitCode = await demonstrate()
} else if (given.length === 1 && given[0] === '--serve') {
  console.log('Starting the services.\n')
  const { serve } = await import('./serve.ts')
  await serve()
} else {
  console.error(`found ${given.join(' ')}, expected nothing or --serve\nusage: npm start [-- --serve]`)
  process.exitCode = 2
}
