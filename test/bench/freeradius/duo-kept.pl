# The same as duo.pl, as lean as Perl's own library allows: connections are kept, and their segments sent at once.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha512_hex);
use HTTP::Tiny;
use IO::Socket::SSL;
use MIME::Base64;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use POSIX qw(strftime);

our (%RAD_REQUEST, %RAD_REPLY, %RAD_CHECK);
use constant { RLM_MODULE_REJECT => 0, RLM_MODULE_FAIL => 1, RLM_MODULE_OK => 2, RLM_MODULE_UPDATED => 8 };

# By interpreter: each thread has one of its own.
my $http;

sub escape { my $s = shift; $s =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $s }

sub authorize {
	$http //= HTTP::Tiny->new(
		keep_alive  => 1,
		timeout     => 70,
		verify_SSL  => 1,
		SSL_options => { SSL_ca_file => $ENV{FR_CA} },
	);
	# HTTP::Tiny writes a request in two pieces. Nagle keeps the second back until the first is acknowledged, and the other
	# side delays that by 40 ms.
	setsockopt($http->{handle}{fh}, IPPROTO_TCP, TCP_NODELAY, 1) if $http->{handle} && $http->{handle}{fh};
	my $date = strftime('%a, %d %b %Y %H:%M:%S +0000', gmtime);
	my %p = (device => 'auto', factor => 'push', ipaddr => $RAD_REQUEST{'Calling-Station-Id'}, username => $RAD_REQUEST{'User-Name'});
	my $body = join '&', map { escape($_) . '=' . escape($p{$_}) } sort keys %p;
	my $canon = join "\n", $date, 'POST', $ENV{FR_DUO_HOST}, '/auth/v2/auth', $body;
	my $auth = encode_base64("$ENV{FR_IKEY}:" . hmac_sha512_hex($canon, $ENV{FR_SKEY}), '');
	my $r = $http->request('POST', "https://$ENV{FR_DUO}/auth/v2/auth", {
		content => $body,
		headers => {
			'Content-Type' => 'application/x-www-form-urlencoded',
			'X-Duo-Date'   => $date,
			'Authorization' => "Basic $auth",
		},
	});
	return RLM_MODULE_FAIL unless $r->{success};
	return RLM_MODULE_REJECT unless $r->{content} =~ /"result": ?"allow"/;
	$RAD_CHECK{'Auth-Type'} = 'Accept';
	return RLM_MODULE_UPDATED;
}

1;
