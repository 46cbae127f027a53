package bench;

import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Objects;
import java.util.regex.Pattern;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Profile;
import org.springframework.security.authentication.BadCredentialsException;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.AbstractHttpConfigurer;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.core.userdetails.UsernameNotFoundException;
import org.springframework.security.web.SecurityFilterChain;

/**
 * The configuration in docs/spring.md, without sessions and CSRF tokens, which services do not use, and without the
 * security headers, which the other servers do not send.
 */
@Configuration
@Profile("guarded")
class Guard {

  private static final Pattern FORM = Pattern.compile("spiffe://saas\\.example/ns/production/sa/([^/]+)");

  @Bean
  SecurityFilterChain chain(HttpSecurity http) {
    return http
        .x509(x509 -> x509.x509PrincipalExtractor(Guard::spiffeIdOf).userDetailsService(services()))
        .authorizeHttpRequests(requests -> requests
            .requestMatchers("/internal/billing/**").hasAuthority("SERVICE_core-api")
            .requestMatchers("/internal/analytics/**").hasAnyAuthority("SERVICE_core-api", "SERVICE_analytics")
            .requestMatchers("/internal/**").authenticated()
            .anyRequest().denyAll())
        .sessionManagement(sessions -> sessions.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
        .csrf(AbstractHttpConfigurer::disable)
        .headers(AbstractHttpConfigurer::disable)
        .build();
  }

  private static UserDetailsService services() {
    return id -> {
      var service = FORM.matcher(id);
      if (!service.matches()) throw new UsernameNotFoundException(id);
      return User.withUsername(id).password("").authorities("SERVICE_" + service.group(1)).build();
    };
  }

  private static String spiffeIdOf(X509Certificate certificate) {
    try {
      var names = Objects.requireNonNullElse(certificate.getSubjectAlternativeNames(), List.<List<?>>of());
      return names.stream().filter(name -> name.get(0).equals(6)).map(name -> (String) name.get(1))
          .filter(uri -> uri.startsWith("spiffe://"))
          .findFirst().orElseThrow(() -> new BadCredentialsException("no SPIFFE ID"));
    } catch (CertificateParsingException e) {
      throw new BadCredentialsException("unreadable names", e);
    }
  }
}
