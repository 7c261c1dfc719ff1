// A web app built on Express and passport-openidconnect, which sends no PKCE.
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import OpenIDConnectStrategy from 'passport-openidconnect'

const { issuer, metadata, port } = JSON.parse(process.argv[2])
const app = express()
app.use(session({ secret: 'only for this test', resave: false, saveUninitialized: false, name: 'passport' }))
app.use(passport.session())
passport.serializeUser((user, done) => done(null, user))
passport.deserializeUser((user, done) => done(null, user))
passport.use(
  new OpenIDConnectStrategy(
    {
      issuer,
      authorizationURL: `${issuer}/oauth/authorize`,
      tokenURL: `${issuer}/oauth/token`,
      userInfoURL: `${issuer}/oauth/userinfo`,
      clientID: metadata.client_id,
      clientSecret: metadata.client_secret,
      callbackURL: metadata.redirect_uris[0],
      scope: ['profile', 'email'],
      skipUserProfile: false,
    },
    (_issuer, profile, done) => done(null, profile),
  ),
)
app.get('/login', passport.authenticate('openidconnect'))
app.get('/callback', passport.authenticate('openidconnect', { failWithError: true }), (_request, response) => response.redirect('/me'))
app.get('/me', (request, response) => response.json(request.user ?? null))
app.get('/logout', (request, response, next) =>
  request.logout((error) =>
    error
      ? next(error)
      : response.redirect(`${issuer}/oauth/logout?${new URLSearchParams({ client_id: metadata.client_id, post_logout_redirect_uri: metadata.post_logout_redirect_uris[0] })}`),
  ),
)
app.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` })))
